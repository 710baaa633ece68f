package ext4

import "math/bits"

// halfMD4 is the hash of names in hash trees, DX_HASH_HALF_MD4 of the kernel: three rounds of
// MD4 over words of the name's bytes, taken as signed. The first result orders a directory, the
// second one names with equal first results.
//
// The low bit of the first result is 0, since trees use it as a mark that a hash continues in
// the next block.
func halfMD4(name string, seed [4]uint32) (major, minor uint32) {
	state := [4]uint32{0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476}
	if seed != [4]uint32{} {
		state = seed
	}
	for {
		in := hashWords(name)
		halfMD4Transform(&state, &in)
		if len(name) <= 4*len(in) {
			break
		}
		name = name[4*len(in):]
	}
	major = state[1] &^ 1
	if major == dxHashEOF<<1 {
		major = (dxHashEOF - 1) << 1
	}
	return major, state[2]
}

// hashWords packs the first 32 bytes of name into words, and pads with a word made of the
// length.
func hashWords(name string) (out [8]uint32) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	val, n := pad, 0
	for i := 0; i < len(name) && n < len(out); i++ {
		val = uint32(int32(int8(name[i]))) + val<<8
		if i%4 == 3 {
			out[n] = val
			val, n = pad, n+1
		}
	}
	if n < len(out) {
		out[n] = val
		n++
	}
	for ; n < len(out); n++ {
		out[n] = pad
	}
	return out
}

func halfMD4Transform(state *[4]uint32, in *[8]uint32) {
	const (
		k2 = 0x5A827999 // the square root of 2, as in MD4 (RFC 1320)
		k3 = 0x6ED9EBA1 // the square root of 3
	)
	f := func(x, y, z uint32) uint32 { return z ^ x&(y^z) }
	g := func(x, y, z uint32) uint32 { return x&y + (x^y)&z }
	h := func(x, y, z uint32) uint32 { return x ^ y ^ z }

	s := *state
	for i, w := range [8]int{0, 1, 2, 3, 4, 5, 6, 7} {
		step(&s, i, f(s[1], s[2], s[3])+in[w], [4]int{3, 7, 11, 19})
	}
	for i, w := range [8]int{1, 3, 5, 7, 0, 2, 4, 6} {
		step(&s, i, g(s[1], s[2], s[3])+in[w]+k2, [4]int{3, 5, 9, 13})
	}
	for i, w := range [8]int{3, 7, 2, 6, 1, 5, 0, 4} {
		step(&s, i, h(s[1], s[2], s[3])+in[w]+k3, [4]int{3, 9, 11, 15})
	}
	for i := range state {
		state[i] += s[i]
	}
}

// step is one operation of MD4. It rotates the registers for the next operation.
func step(s *[4]uint32, i int, v uint32, shifts [4]int) {
	a := bits.RotateLeft32(s[0]+v, shifts[i%4])
	s[0], s[1], s[2], s[3] = s[3], a, s[1], s[2]
}
