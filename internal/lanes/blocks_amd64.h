// The compression function of SHA-256 (FIPS 180-4, section 6.2.2), for one stream and for
// sixteen.
#include <stddef.h>
#include <stdint.h>

// ingot_sha256_wide says whether the processor and the kernel can do both of these.
int ingot_sha256_wide(void);

// ingot_sha256_lanes hashes n blocks of each of 16 streams. The states lie word by word:
// first the first words of all streams. The pointers are 16 arguments since cgo lets Go
// pass pointers, and not pointers to pointers.
void ingot_sha256_lanes(uint32_t *states, size_t n,
	const uint8_t *p0, const uint8_t *p1, const uint8_t *p2, const uint8_t *p3,
	const uint8_t *p4, const uint8_t *p5, const uint8_t *p6, const uint8_t *p7,
	const uint8_t *p8, const uint8_t *p9, const uint8_t *p10, const uint8_t *p11,
	const uint8_t *p12, const uint8_t *p13, const uint8_t *p14, const uint8_t *p15);

// ingot_sha256_one hashes n blocks of one stream.
void ingot_sha256_one(uint32_t *state, const uint8_t *p, size_t n);
