// Command profiled is a web server on port 8080, with its profiles at /debug/pprof, and a
// UDP echo service on port 9000.
package main

import (
	"io"
	"log"
	"net"
	"net/http"
	_ "net/http/pprof"
)

func main() {
	conn, err := net.ListenPacket("udp", ":9000")
	if err != nil {
		log.Fatal(err)
	}
	go echo(conn)
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func echo(conn net.PacketConn) {
	b := make([]byte, 2048)
	for {
		n, from, err := conn.ReadFrom(b)
		if err == nil {
			_, err = conn.WriteTo(b[:n], from)
		}
		if err != nil {
			log.Print("UDP echo: ", err)
		}
	}
}
