;; The package of this tree: guix build -f guix.scm, guix shell -f guix.scm
(add-to-load-path (string-append (dirname (current-filename)) "/guix"))
(module-ref (resolve-interface '(ingot package)) 'ingot)
