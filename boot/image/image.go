// Package image makes images that a computer's firmware boots: CDs and disks
// with one program on them.
//
// A Disk is the contents of either, whatever file format it is written in
// afterwards. Image depends on nothing but the program, so equal programs make
// equal images, byte by byte.
package image
