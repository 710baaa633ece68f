//go:build amd64 && cgo

#include "blocks_amd64.h"

#include <cpuid.h>
#include <immintrin.h>

#define LANES __attribute__((target("avx512f,avx512bw")))
#define ONE __attribute__((target("sha,ssse3,sse4.1")))

static const uint32_t K[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

int ingot_sha256_wide(void) {
	unsigned a, b, c, d;
	return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
		__get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_SHA);
}

// transpose makes rows of 16 words columns.
LANES static inline void transpose(__m512i r[16]) {
	__m512i t[16];
	for (int i = 0; i < 16; i += 2) {
		t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
		t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
	}
	for (int i = 0; i < 16; i += 4) {
		r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
		r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
		r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
		r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
	}
	for (int i = 0; i < 16; i += 8)
		for (int j = 0; j < 4; j++) {
			t[i + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0x88);
			t[i + 4 + j] = _mm512_shuffle_i32x4(r[i + j], r[i + 4 + j], 0xdd);
		}
	for (int j = 0; j < 8; j++) {
		r[j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0x88);
		r[8 + j] = _mm512_shuffle_i32x4(t[j], t[8 + j], 0xdd);
	}
}

#define ADD _mm512_add_epi32
#define ROR _mm512_ror_epi32
#define SHR _mm512_srli_epi32
#define XOR3(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0x96)
#define CH(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xca)
#define MAJ(a, b, c) _mm512_ternarylogic_epi32(a, b, c, 0xe8)

LANES void ingot_sha256_lanes(uint32_t *states, size_t n,
	const uint8_t *p0, const uint8_t *p1, const uint8_t *p2, const uint8_t *p3,
	const uint8_t *p4, const uint8_t *p5, const uint8_t *p6, const uint8_t *p7,
	const uint8_t *p8, const uint8_t *p9, const uint8_t *p10, const uint8_t *p11,
	const uint8_t *p12, const uint8_t *p13, const uint8_t *p14, const uint8_t *p15) {
	const uint8_t *p[16] = {p0, p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12, p13, p14, p15};
	const __m512i bigEndian = _mm512_broadcast_i32x4(_mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL));
	__m512i s[8];
	for (int i = 0; i < 8; i++)
		s[i] = _mm512_loadu_si512(states + 16 * i);
	for (size_t off = 0; off < 64 * n; off += 64) {
		__m512i w[16];
		for (int i = 0; i < 16; i++)
			w[i] = _mm512_shuffle_epi8(_mm512_loadu_si512(p[i] + off), bigEndian);
		transpose(w);
		__m512i a = s[0], b = s[1], c = s[2], d = s[3], e = s[4], f = s[5], g = s[6], h = s[7];
#pragma GCC unroll 64
		for (int i = 0; i < 64; i++) {
			if (i >= 16) {
				__m512i x = w[(i + 1) & 15], y = w[(i + 14) & 15];
				w[i & 15] = ADD(ADD(w[i & 15], w[(i + 9) & 15]),
					ADD(XOR3(ROR(x, 7), ROR(x, 18), SHR(x, 3)), XOR3(ROR(y, 17), ROR(y, 19), SHR(y, 10))));
			}
			__m512i t1 = ADD(ADD(ADD(h, _mm512_set1_epi32(K[i])), w[i & 15]),
				ADD(XOR3(ROR(e, 6), ROR(e, 11), ROR(e, 25)), CH(e, f, g)));
			__m512i t2 = ADD(XOR3(ROR(a, 2), ROR(a, 13), ROR(a, 22)), MAJ(a, b, c));
			h = g, g = f, f = e, e = ADD(d, t1);
			d = c, c = b, b = a, a = ADD(t1, t2);
		}
		s[0] = ADD(s[0], a), s[1] = ADD(s[1], b), s[2] = ADD(s[2], c), s[3] = ADD(s[3], d);
		s[4] = ADD(s[4], e), s[5] = ADD(s[5], f), s[6] = ADD(s[6], g), s[7] = ADD(s[7], h);
	}
	for (int i = 0; i < 8; i++)
		_mm512_storeu_si512(states + 16 * i, s[i]);
}

// The SHA instructions keep the words of the state as ABEF and CDGH, and take two rounds'
// words, with their constants, at a time.
ONE void ingot_sha256_one(uint32_t *state, const uint8_t *p, size_t n) {
	const __m128i bigEndian = _mm_set_epi64x(0x0c0d0e0f08090a0bULL, 0x0405060700010203ULL);
	__m128i t = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1); // CDAB
	__m128i cdgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b); // EFGH
	__m128i abef = _mm_alignr_epi8(t, cdgh, 8);
	cdgh = _mm_blend_epi16(cdgh, t, 0xf0);
	for (; n > 0; n--, p += 64) {
		__m128i abef0 = abef, cdgh0 = cdgh, w[4];
		for (int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(p + 16 * i)), bigEndian);
#pragma GCC unroll 16
		for (int i = 0; i < 16; i++) {
			__m128i k = _mm_add_epi32(w[i & 3], _mm_loadu_si128((const __m128i *)(K + 4 * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, k);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(k, 0x0e));
			if (i < 12) {
				__m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);
				next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4));
				w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
			}
		}
		abef = _mm_add_epi32(abef, abef0);
		cdgh = _mm_add_epi32(cdgh, cdgh0);
	}
	t = _mm_shuffle_epi32(abef, 0x1b); // FEBA
	cdgh = _mm_shuffle_epi32(cdgh, 0xb1); // DCHG
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(t, cdgh, 0xf0)); // DCBA
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(cdgh, t, 8)); // HGFE
}
