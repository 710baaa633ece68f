package foreign

// LUKSHeader is what cryptsetup puts before the data of a LUKS 2 container, in bytes:
// https://gitlab.com/cryptsetup/LUKS2-docs, section 2, with the default sizes.
const LUKSHeader = 16 << 20

// LUKSCiphers are kernel modules that LUKS's usual ciphers may take, beside dm_crypt: some
// kernels have them built in, or have another instead.
var LUKSCiphers = []string{"xts", "cbc", "ecb", "essiv", "aesni_intel", "aes_generic", "aes_ce_blk", "sha256_generic", "algif_skcipher", "af_alg", "cryptd"}
