module ringo.example/wasm

go 1.26.0

require github.com/tetratelabs/wazero v1.12.0
