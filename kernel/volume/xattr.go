package volume

import (
	"syscall"
	"time"
)

// Extended attributes have numbers, and items for their parts: the key's lo is
// number << attrBits | part. The parts together are the name's length (uint8), the
// name and the value.
const (
	attrBits     = 8
	attrPart     = 900
	maxAttrs     = 128
	maxAttrName  = 255
	maxAttrValue = 64 << 10
)

// attr is an extended attribute. Its value is the part of it that its first item has.
type attr struct {
	number uint64
	name   string
	value  []byte
}

// nextAttr returns the first attribute from a number on.
func (t *tree) nextAttr(ino, number uint64) (a attr, ok bool, err error) {
	k := inodeKey(ino, kindAttr, number<<attrBits)
	it, ok, err := t.seek(k)
	if err != nil || !ok || it.hi != k.hi {
		return a, false, err
	}
	f := fields{rest: it.value}
	a = attr{number: it.lo >> attrBits, name: string(f.take(int(f.take(1)[0]))), value: f.rest}
	if f.short || a.name == "" || it.lo&(1<<attrBits-1) != 0 {
		return a, false, t.wrong(ino, "an extended attribute")
	}
	return a, true, nil
}

// findAttr returns an attribute, or ENODATA. vacant is the first number without one, count
// that of the attributes; both are of use only if there is no such attribute.
func (t *tree) findAttr(ino uint64, name string) (a attr, vacant uint64, count int, err error) {
	for next := uint64(0); ; next = a.number + 1 {
		var ok bool
		a, ok, err = t.nextAttr(ino, next)
		switch {
		case err != nil:
			return a, 0, 0, err
		case !ok:
			return a, vacant, count, syscall.ENODATA
		case a.name == name:
			return a, 0, 0, nil
		}
		count++
		if a.number == vacant {
			vacant++
		}
	}
}

// xattr returns the value of an attribute, or ENODATA.
func (t *tree) xattr(ino uint64, name string) ([]byte, error) {
	a, _, _, err := t.findAttr(ino, name)
	if err != nil {
		return nil, err
	}
	value := append([]byte{}, a.value...)
	for part := uint64(1); ; part++ {
		more, err := t.get(inodeKey(ino, kindAttr, a.number<<attrBits|part))
		if err == syscall.ENOENT {
			return value, nil
		}
		if err != nil {
			return nil, err
		}
		value = append(value, more...)
	}
}

func (t *tree) listXattr(ino uint64) (names []string, err error) {
	for next := uint64(0); ; {
		a, ok, err := t.nextAttr(ino, next)
		if err != nil || !ok {
			return names, err
		}
		names = append(names, a.name)
		next = a.number + 1
	}
}

// Flags of setxattr(2).
const (
	xattrCreate  = 1
	xattrReplace = 2
)

// setXattr sets an attribute, or removes it if value is nil.
func (v *Volume) setXattr(ino uint64, name string, value []byte, flags int) error {
	if name == "" || len(name) > maxAttrName || len(value) > maxAttrValue {
		return syscall.ERANGE
	}
	all := append(append([]byte{byte(len(name))}, name...), value...)
	why, places := grow, createPlaces+len(all)/attrPart
	if value == nil {
		why, places = shrink, v.unlinkPlaces()
	}
	return v.change(why, 0, places, nil, func() error {
		in, err := v.files.inode(ino)
		if err != nil {
			return err
		}
		a, vacant, count, err := v.files.findAttr(ino, name)
		exists := err == nil
		switch {
		case err != nil && err != error(syscall.ENODATA):
			return err
		case !exists && (value == nil || flags == xattrReplace):
			return syscall.ENODATA
		case exists && flags == xattrCreate:
			return syscall.EEXIST
		case !exists && count >= maxAttrs:
			return syscall.ENOSPC
		case exists:
			vacant = a.number
			if err := v.removeAttr(ino, a.number); err != nil {
				return err
			}
		}
		for part := 0; value != nil && part*attrPart < len(all); part++ {
			b := all[part*attrPart : min((part+1)*attrPart, len(all))]
			if err := v.files.put(inodeKey(ino, kindAttr, vacant<<attrBits|uint64(part)), b); err != nil {
				return err
			}
		}
		in.ctime = time.Now().UnixNano()
		return v.putInode(ino, &in)
	})
}

func (v *Volume) removeAttr(ino, number uint64) error {
	for part := uint64(0); ; part++ {
		if ok, err := v.files.remove(inodeKey(ino, kindAttr, number<<attrBits|part)); err != nil || !ok {
			return err
		}
	}
}
