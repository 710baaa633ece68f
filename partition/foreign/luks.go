package foreign

// LUKSHeader is the size in bytes of the header that cryptsetup puts before the data of a
// LUKS 2 container: https://gitlab.com/cryptsetup/LUKS2-docs, section 2, default sizes.
const LUKSHeader = 16 << 20

// LUKSCiphers are kernel modules that LUKS's usual ciphers may need, beside dm_crypt. Some
// kernels have them built in, or have others.
var LUKSCiphers = []string{"xts", "cbc", "ecb", "essiv", "aesni_intel", "aes_generic", "aes_ce_blk", "sha256_generic", "algif_skcipher", "af_alg", "cryptd"}
