//go:build ringo

package buffer

import "gvisor.dev/gvisor/pkg/sync"

// smallChunk is the size of the chunks that stay with their views when these are
// released: small packets need one of each, twice for an answer.
const smallChunk = 256

// smallViews are views, empty and referred to by nobody, with chunks of their own.
var smallViews = sync.Kept[View]{New: func() *View {
	c := &chunk{data: make([]byte, smallChunk)}
	c.InitRefs()
	return &View{chunk: c}
}}

// newSmallView is NewView for what fits a small chunk.
func newSmallView() *View {
	v := smallViews.Get()
	clear(v.chunk.data)
	return v
}

// keep takes a view back that is released, if its chunk is small and no other view has it.
func (v *View) keep() bool {
	c := v.chunk
	if len(c.data) != smallChunk || v.sharesChunk() {
		return false
	}
	*v = View{chunk: c}
	smallViews.Put(v)
	return true
}
