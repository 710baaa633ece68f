// Package signature makes and checks detached signatures of files, as iPXE's imgverify
// reads them: Cryptographic Message Syntax (RFC 5652) in DER, without signed attributes,
// with the certificates that lead to the root which is trusted.
//
//	s, err := signature.Load("codesign.key", "codesign.pem", "chain.pem")
//	der, err := s.Sign(file)                              // kernel.sig
//	err = signature.Verify(file, der, roots)
//
// A signature is what this prints, byte for byte where the key is RSA:
//
//	openssl cms -sign -binary -noattr -outform DER -in kernel -out kernel.sig \
//		-signer codesign.pem -inkey codesign.key -certfile chain.pem
//
// # What it guarantees
//
// The file is read as a stream, whatever its size. The same key and file give the same
// signature: that of an RSA key (PKCS #1 v1.5) has no random part, that of an ECDSA key
// is made by RFC 6979. A key that does not belong to the certificate is refused, and so
// is a certificate that iPXE would refuse: without the extended key usage codeSigning, or
// without the key usage digitalSignature, which is asked for even where the certificate
// says nothing of key usage. [Signer.MissingIssuer] tells what iPXE would not find.
//
// # Limits
//
// Keys are RSA of 2048 bits or more, and ECDSA over P-256, P-384 and P-521. iPXE has
// known RSA alone for most of its life. Certificates are checked against the clock when a
// signature is verified, and not when it is made.
package signature
