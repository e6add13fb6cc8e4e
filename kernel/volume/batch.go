package volume

import "ringo.dev/ringo/kernel/block"

// batch collects blocks to write, and has the device write many of them at once:
// neighbours that are added one after the other with one write.
type batch struct {
	v    *Volume
	data []byte
	list []block.Transfer // of data
}

// batchBlocks is how many blocks a batch collects before it writes them.
const batchBlocks = 64

// add adds a block. It copies the data.
func (b *batch) add(addr uint64, data []byte) error {
	if len(b.data) == batchBlocks*BlockSize {
		if err := b.write(false); err != nil {
			return err
		}
	}
	if b.data == nil {
		b.data = make([]byte, 0, batchBlocks*BlockSize)
	}
	at, off := len(b.data), int64(addr)*BlockSize
	b.data = append(b.data, data...)
	if c := len(b.list); c > 0 {
		if last := &b.list[c-1]; last.Off+int64(len(last.Data)) == off {
			last.Data = b.data[at-len(last.Data):]
			return nil
		}
	}
	b.list = append(b.list, block.Transfer{Data: b.data[at:], Off: off})
	return nil
}

// write writes the blocks, and with flush makes them, and all writes before, durable.
func (b *batch) write(flush bool) error {
	err := block.WriteAll(b.v.dev, b.list, flush)
	if err != nil {
		addr := uint64(0)
		if len(b.list) > 0 {
			addr = uint64(b.list[0].Off) / BlockSize
		}
		err = b.v.deviceError("writing", addr, err)
	}
	b.data, b.list = b.data[:0], b.list[:0]
	return err
}
