;; Guix's own way to a root: what initialize-root-partition in (gnu build image) does,
;; in the root /mnt/own, with the closure in /mnt/graph. The system is the argument.
(use-modules (gnu build install) (guix build store-copy) (guix store database))

(define root "/mnt/own")
(define (quiet) (%make-void-port "w"))

(umask #o022)
(mkdir root)
(populate-root-file-system (cadr (command-line)) root)
(populate-store '("/mnt/graph") root #:deduplicate? #t #:log-port (quiet))
(with-database (string-append root "/var/guix/db/db.sqlite") db #:wal-mode? #f
  (register-items db (call-with-input-file "/mnt/graph" read-reference-graph)
                  #:prefix root #:registration-time %epoch #:log-port (quiet)))
