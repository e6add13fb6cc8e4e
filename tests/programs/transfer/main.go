// Command transfer serves large transfers over HTTP on port 8080: it makes the
// bytes that a client wants, and sums up those that a client sends.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"

	"ringo.dev/ringo/tests/load"
)

func main() {
	http.HandleFunc("GET /bytes", func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.ParseInt(r.FormValue("n"), 10, 64)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Length", strconv.FormatInt(n, 10))
		if _, err := io.Copy(w, load.Bytes(n)); err != nil {
			log.Print(err)
		}
	})
	http.HandleFunc("POST /sum", func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			log.Print(err)
			return
		}
		fmt.Fprintf(w, "%x", h.Sum(nil))
	})
	listener, err := net.Listen("tcp", ":8080")
	if err != nil {
		log.Fatal(err)
	}
	log.Print("serving on ", listener.Addr())
	log.Fatal(http.Serve(listener, nil))
}
