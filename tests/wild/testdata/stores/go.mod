module ringo.example/stores

go 1.26.0

require (
	github.com/cockroachdb/pebble v1.1.5
	github.com/dgraph-io/badger/v4 v4.9.6
	github.com/syndtr/goleveldb v1.0.0
	go.etcd.io/bbolt v1.5.0
	modernc.org/sqlite v1.55.0
	github.com/google/pprof v0.0.0-20250317173921-a4b03ec1a45e // indirect
)
