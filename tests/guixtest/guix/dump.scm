;; Prints what the daemon knows of every item in the closure of its argument: hash,
;; size, deriver, references, and of what is in the closure as well the referrers, the
;; derivations that made it, and of a .drv the outputs.
(use-modules (guix store) (guix base16) (srfi srfi-1))

(define (names paths)
  (string-join (sort (map basename paths) string<?)))

(with-store store
  (define closure
    (requisites store (cdr (command-line))))

  (define (within paths)
    (lset-intersection string=? paths closure))

  (for-each
   (lambda (path)
     (let ((info (query-path-info store path)))
       (format #t "~a~%  hash ~a~%  size ~a~%  deriver ~a~%  references ~a~%  referrers ~a~%  derivers ~a~%  outputs ~a~%"
               path
               (bytevector->base16-string (path-info-hash info))
               (path-info-nar-size info)
               (or (path-info-deriver info) "unknown")
               (names (path-info-references info))
               (names (within (referrers store path)))
               (names (within (valid-derivers store path)))
               (if (string-suffix? ".drv" path)
                   (names (query-derivation-outputs store path))
                   "none"))))
   (sort closure string<?)))
