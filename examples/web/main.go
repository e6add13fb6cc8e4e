// Command web is an ordinary web server on port 8080, with a few requests that
// show how a program fares on its machine, and a UDP echo service on port 9000.
// It ends when it has answered its last request after a SIGTERM.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	addr := flag.String("http", ":8080", "serve HTTP on this `address`")
	echo := flag.String("udp", ":9000", "echo UDP datagrams on this `address`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, *addr, *echo); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, addr, echo string) error {
	datagrams, err := net.ListenPacket("udp", echo)
	if err != nil {
		return err
	}
	go echoDatagrams(datagrams)

	listener, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: routes(), ReadHeaderTimeout: 10 * time.Second}
	finished := make(chan error, 1)
	context.AfterFunc(ctx, func() {
		last, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		finished <- errors.Join(server.Shutdown(last), datagrams.Close())
	})
	log.Printf("serving on %s", listener.Addr())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return <-finished
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello from ringo\n")
	})
	mux.HandleFunc("/alloc", alloc)
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("as requested") })
	mux.HandleFunc("/nil", dereferenceNil)
	mux.HandleFunc("/exit", exit)
	mux.HandleFunc("/cpu", burn)
	return mux
}

// alloc allocates 1 MB and uses all of it.
func alloc(w http.ResponseWriter, r *http.Request) {
	b := make([]byte, 1<<20)
	for i := range b {
		b[i] = byte(i)
	}
	fmt.Fprintf(w, "allocated %d bytes\n", len(b))
}

// dereferenceNil dereferences a nil pointer; net/http recovers.
func dereferenceNil(w http.ResponseWriter, r *http.Request) {
	var nothing *http.Server
	io.WriteString(w, nothing.Addr)
}

// exit ends the program with the status in the parameter code.
func exit(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.FormValue("code"))
	if err != nil || code < 0 || code > 255 {
		http.Error(w, "code must be a number from 0 to 255", http.StatusBadRequest)
		return
	}
	os.Exit(code)
}

// burn keeps a CPU busy for 50 ms.
func burn(w http.ResponseWriter, r *http.Request) {
	rounds := 0
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
		rounds++
	}
	fmt.Fprintf(w, "read the clock %d times\n", rounds)
}

// echoDatagrams sends every datagram back until conn is closed.
func echoDatagrams(conn net.PacketConn) {
	b := make([]byte, 64<<10)
	for {
		n, from, err := conn.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err == nil {
			_, err = conn.WriteTo(b[:n], from)
		}
		if err != nil {
			log.Print("UDP echo: ", err)
		}
	}
}
