;; Succeeds if the daemon answers.
(use-modules (guix store))
(with-store store #t)
