// Command wasm compiles a WebAssembly function to machine code with wazero, and serves
// what it returns.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"

	"github.com/tetratelabs/wazero"
)

// add is a module with a function of this name, which adds two numbers.
const add = "\x00asm\x01\x00\x00\x00" +
	"\x01\x07\x01\x60\x02\x7f\x7f\x01\x7f" + // its type
	"\x03\x02\x01\x00" +
	"\x07\x07\x01\x03add\x00\x00" +
	"\x0a\x09\x01\x07\x00\x20\x00\x20\x01\x6a\x0b" // its code

func main() {
	ctx := context.Background()
	// With this configuration wazero panics if it cannot make code executable.
	r := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler())
	m, err := r.Instantiate(ctx, []byte(add))
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		sum, err := m.ExportedFunction("add").Call(req.Context(), 40, 2)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		fmt.Fprint(w, "the sum is ", sum)
	})))
}
