// Package signature makes and checks detached signatures of files, as iPXE's imgverify
// reads them: Cryptographic Message Syntax (RFC 5652) in DER, without signed attributes,
// with the certificates that lead to the root which is trusted.
//
//	s, err := signature.Load(ctx, "codesign.key", "codesign.pem", "chain.pem")
//	der, err := s.Sign(file)                              // kernel.sig
//	facts, err := signature.Verifier{Roots: roots}.Verify(file, der)
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
// is a certificate that iPXE would refuse: without the extended key usage codeSigning,
// without the key usage digitalSignature (which iPXE requires even where the certificate
// says nothing of key usage), with a critical extension or an algorithm that iPXE does not
// know. [Signer.MissingIssuer], [Signer.OCSP] and [Signer.ECDSA] tell what else the iPXE
// at the other end has to have.
//
// A [Verifier] checks what iPXE checks: the trusted certificate itself has to be in the
// signature, byte for byte, since iPXE keeps no more than its fingerprint.
//
// # Limits
//
// A signature says nothing of a file's name, nor of its age: one that was signed for
// another name, or long ago, is as good. Names are bound by digests in something else that
// is signed (package recipes: the script and the manifest).
//
// Keys are RSA of 2048 bits or more, and ECDSA over P-256 and P-384. iPXE knows ECDSA since
// 2.0, and P-521 not at all. Certificates are checked against the clock when a signature is
// verified, and not when it is made; iPXE allows twelve and a half hours to either side.
// OCSP servers are not asked: a certificate that names one is refused, or taken as it is.
package signature
