;; The image of a system, made by a derivation whose builder is ingot. The environment says of
;; which system, in what format, and whether by a recipe. What is a package elsewhere is a folder
;; here, since nothing can be built.
(use-modules (ingot image) (guix gexp) (guix monads) (guix store) (srfi srfi-9))

(define-record-type <item> (item path) item? (path item-path))
(define-gexp-compiler (item-compiler (item <item>) system target)
  (with-monad %store-monad (return (item-path item))))

(define recipe
  '((name . "guix")
    (store . ((flavour . "guix")))
    (disk . ((table . "mbr")
             (partitions . #(((name . "root") (filesystem . "ext4") (label . "guix-root")
                              (size . "fit+32MiB") (contents . ((store . #t))))))))
    (bootloader . ((grub . ((platforms . #("bios"))))
                   (console . #("ttyS0"))))))

(ingot-image (item (getenv "INGOT_SYSTEM"))
             #:format (getenv "INGOT_FORMAT")
             #:recipe (and (getenv "INGOT_RECIPE") recipe)
             #:settings '(("bootloader.timeout" . 0))
             ;; Something beside the system.
             #:roots (if (getenv "INGOT_RECIPE") '() (list (plain-file "extra" "more\n")))
             #:programs '()
             #:grub (local-file "/mnt/grub" "grub-2.06" #:recursive? #t)
             #:ingot (local-file "/mnt/ingot" "ingot" #:recursive? #t))
