module ringo.dev/ringo

go 1.26.0
