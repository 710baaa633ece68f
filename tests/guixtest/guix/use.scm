;; Works in a store as a user of it would: builds on what is there, adds to it, and
;; prints both paths.
(use-modules (guix store) (guix derivations) (ice-9 match))

(match (command-line)
  ((_ tools multi)
   (with-store store
     (let ((drv (derivation store "user-1.0" (string-append tools "/bin/sh")
                            (list "-euc" (string-append "cat " multi "/bin/multi > $out"))
                            #:env-vars `(("PATH" . ,(string-append tools "/bin")))
                            #:sources (list tools multi))))
       (build-derivations store (list drv))
       (format #t "~a~%~a~%" (derivation->output-path drv)
               (add-text-to-store store "note" (string-append multi "\n") (list multi)))))))
