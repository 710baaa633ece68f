;;; Images of Guix Systems, made by ingot: (ingot-image OS) is a file-like object for
;;; 'guix build', services and other derivations; the image types are for 'guix system
;;; image -t ingot-qcow2'. docs/guix.md shows both.
;;;
;;; The builder of the derivation is ingot itself, which reads the closure of the system from
;;; the graph that the daemon writes (#:references-graphs).  No Guile, no virtual machine, no
;;; KVM and no root take part, and the same system gives the same bytes.

(define-module (ingot image)
  #:use-module (gnu bootloader)
  #:use-module (gnu image)
  #:use-module (gnu system)
  #:use-module (gnu system file-systems)
  #:use-module (gnu system image)
  #:use-module (gnu system uuid)
  #:use-module (guix derivations)
  #:use-module (guix diagnostics)
  #:use-module (guix gexp)
  #:use-module (guix i18n)
  #:use-module (guix monads)
  #:use-module (guix platform)
  #:use-module (guix store)
  #:use-module (guix utils)
  #:use-module (ice-9 match)
  #:use-module (json)
  #:use-module ((srfi srfi-1) #:hide (partition))
  #:use-module (srfi srfi-9)
  #:use-module (srfi srfi-34)
  #:autoload   (gnu packages bootloaders) (grub-efi grub-hybrid)
  #:autoload   (gnu packages compression) (squashfs-tools)
  #:autoload   (ingot package) (ingot)

  #:export (ingot-image
            ingot-image?
            ingot-image-type
            ingot-raw-image-type
            ingot-qcow2-image-type
            ingot-vdi-image-type
            ingot-vhd-image-type
            ingot-iso-image-type))

;;;
;;; The file-like object.
;;;

(define-record-type <ingot-image>
  (%ingot-image name system format recipe settings roots grub programs ingot)
  ingot-image?
  (name     ingot-image-name)     ;string
  (system   ingot-image-system)   ;<operating-system> or another file-like object
  (format   ingot-image-format)   ;string
  (recipe   ingot-image-recipe)   ;#f | string | alist | file-like
  (settings ingot-image-settings) ;alist
  (roots    ingot-image-roots)    ;file-like objects
  (grub     ingot-image-grub)     ;#f | 'default | file-like
  (programs ingot-image-programs) ;packages
  (ingot    ingot-image-ingot))   ;file-like with bin/ingot, or the program

(define* (ingot-image system
                      #:key
                      (format 'qcow2)
                      (name (default-name format))
                      (recipe #f)
                      (settings '())
                      (roots '())
                      (grub 'default)
                      (programs (list squashfs-tools))
                      (ingot ingot))
  "Return the image of SYSTEM, an <operating-system> or another file-like object, as a
file-like object whose store item is the image itself.

FORMAT is an output format of ingot, such as 'raw, 'qcow2, 'vdi, 'vhd or 'iso; NAME is the name
of the store item.

RECIPE is #f, and ingot derives the disk from what SYSTEM expects of it; or it is a recipe: a
file-like object, a string with the text of one, or an association list that stands for JSON,
with vectors for lists.  The recipe need not name the system and its closure.  Each element of
SETTINGS, (KEY . VALUE), sets a key of the recipe; VALUE is a string, a number, a Boolean, a
vector, an association list or a file-like object:

  (ingot-image %os #:format 'raw
               #:settings '((\"disk.partitions.root.size\" . \"8GiB\")
                            (\"bootloader.timeout\" . 2)))

ROOTS are file-like objects whose closures join the store of the image beside that of SYSTEM, as
roots of the garbage collector.
GRUB is the package of the GRUB to install, or #f if the image has none.  PROGRAMS are packages
with programs that ingot may run, such as mksquashfs.  INGOT is the package of ingot, or its static
program."
  (unless (list? settings)
    (raise (formatted-message (G_ "ingot-image: settings must be a list of pairs (KEY . VALUE), and they are ~s")
                              settings)))
  (for-each (match-lambda
              (((? string?) . _) #t)
              (x (raise (formatted-message (G_ "ingot-image: ~s is no setting: it must be a pair (KEY . VALUE), \
such as (\"bootloader.timeout\" . 2)") x))))
            settings)
  (%ingot-image name system (if (symbol? format) (symbol->string format) format)
                recipe settings roots grub programs ingot))

(define (default-name format)
  "Return a name that tells what an image of FORMAT is."
  (match (if (symbol? format) (symbol->string format) format)
    ("raw" "image.img")
    (suffix (string-append "image." suffix))))

(define (setting key value)
  "Return the value of --set, a list of strings and of file-like objects."
  (list (string-append key "=")
        (if (file-like? value) value (scm->json-string value))))

(define (gc-roots roots)
  "Return the value of --set that protects ROOTS, file-like objects, from the garbage collector."
  `("store.roots=["
    ,@(append-map (lambda (root number)
                    (list "{name: root-" (number->string number) ", path: " root "}, "))
                  roots (iota (length roots) 1))
    "]"))

(define (recipe-file recipe)
  "Return a file-like object with the text of RECIPE."
  (cond
   ((string? recipe) (plain-file "recipe.yaml" recipe))
   ((list? recipe) (plain-file "recipe.yaml" (string-append (scm->json-string recipe) "\n")))
   (else recipe)))

(define (arguments image)
  "Return the arguments of ingot, as a gexp for a list of strings and of lists of strings."
  (let* ((recipe   (ingot-image-recipe image))
         (settings (append (if recipe
                               `(("system" . ,(ingot-image-system image)))
                               '())
                           (ingot-image-settings image))))
    #~("build"
       #$(if recipe (recipe-file recipe) (ingot-image-system image))
       "--format" #$(ingot-image-format image)
       #$@(append-map (match-lambda
                        ((key . value) (list "--set" (setting key value))))
                      settings)
       #$@(if (null? (ingot-image-roots image))
              '()
              (list "--set" (gc-roots (ingot-image-roots image)))))))

(define (graphs image)
  "Return the names of the files that the daemon writes, each with whose closure it has."
  (let ((roots (cons (ingot-image-system image) (ingot-image-roots image))))
    (map (lambda (root number)
           (cons (if (zero? number) "closure" (string-append "closure-" (number->string number)))
                 root))
         roots (iota (length roots)))))

(define (native obj)
  "Return OBJ for the machine that builds, also where the image is for another one."
  (with-parameters ((%current-target-system #f)) obj))

(define (programs image)
  "Return the packages that ingot finds programs in: GRUB's modules lie beside its programs."
  (match (ingot-image-grub image)
    (#f (ingot-image-programs image))
    ('default (cons (if (string-prefix? "aarch64" (%current-system)) grub-efi grub-hybrid)
                    (ingot-image-programs image)))
    (grub (cons grub (ingot-image-programs image)))))

(define (strings sexp)
  "Return SEXP, a list of strings and of lists of strings, as strings."
  (map (match-lambda
         ((? string? s) s)
         ((parts ...) (apply string-append parts)))
       sexp))

(define (program ingot)
  "Return the program, which is INGOT itself if that is a file."
  (if (local-file? ingot) ingot (file-append ingot "/bin/ingot")))

(define-gexp-compiler (ingot-image-compiler (image <ingot-image>) system target)
  ;; A derivation whose builder is a program needs no Guile: what the gexps refer to is put in
  ;; place here, and nothing of them is evaluated.
  (mlet* %store-monad
      ((guile    (return (%guile-for-build)))
       (lowered  (lower-gexp #~(#$(native (program (ingot-image-ingot image)))
                                #$(map cdr (graphs image))
                                #$(map (lambda (package)
                                         (native (file-append package "/bin")))
                                       (programs image))
                                #$(arguments image))
                             #:system system #:target target
                             #:guile-for-build guile)))
    (match (lowered-gexp-sexp lowered)
      ((builder roots path args)
       (raw-derivation (ingot-image-name image) builder (strings args)
                       #:system system
                       #:env-vars `(("PATH" . ,(string-join path ":")))
                       #:inputs (lowered-gexp-inputs lowered)
                       #:sources (lowered-gexp-sources lowered)
                       #:references-graphs (map cons (map car (graphs image)) roots))))))

;;;
;;; Image types, for 'guix system image'.
;;;

;; 'guix system image' gives every <image> to 'system-image', which knows the formats of Guix
;; alone.  An image of ingot's carries how to make it where others have the code that fills
;; the root partition, and 'system-image' is replaced by a procedure that looks there first.
;; Should that not take effect in some Guix, then Guix refuses the <target> in place of code;
;; it makes no image of its own in place of ingot's.
(define-record-type <target>
  (target format settings ingot grub)
  target?
  (format   target-format)
  (settings target-settings)
  (ingot    target-ingot)
  (grub     target-grub))

(define* (ingot-image-type format
                           #:key
                           (name (symbol-append 'ingot- format))
                           (settings '())
                           (ingot 'default)
                           (grub 'default))
  "Return an image type that makes images of FORMAT, an output format of ingot.  SETTINGS, INGOT and
GRUB are those of 'ingot-image'."
  (image-type
   (name name)
   (constructor
    (lambda (os)
      (image
       (inherit (if (eq? format 'iso) iso9660-image efi-disk-image))
       (name (string->symbol (default-name format)))
       (operating-system os)
       (partitions
        (map (lambda (p)
               (if (memq 'boot (partition-flags p))
                   (partition (inherit p) (initializer (target format settings ingot grub)))
                   p))
             (image-partitions (if (eq? format 'iso) iso9660-image efi-disk-image)))))))))

(define ingot-raw-image-type (ingot-image-type 'raw))
(define ingot-qcow2-image-type (ingot-image-type 'qcow2))
(define ingot-vdi-image-type (ingot-image-type 'vdi))
(define ingot-vhd-image-type (ingot-image-type 'vhd))
(define ingot-iso-image-type (ingot-image-type 'iso))

(define (boot-partition image)
  "Return the partition of IMAGE that the system has its root on."
  (find (lambda (p) (memq 'boot (partition-flags p))) (image-partitions image)))

(define (image-target image)
  "Return the <target> of IMAGE; #f if it is not one of ingot's."
  (and=> (boot-partition image)
         (lambda (p)
           (and (target? (partition-initializer p)) (partition-initializer p)))))

(define (image->system image)
  "Return the system type that IMAGE runs on, such as \"x86_64-linux\"."
  (or (and=> (image-platform image) platform-system)
      (%current-system)))

(define (platforms image)
  "Return what GRUB is installed for."
  (match (image->system image)
    ("x86_64-linux" #("bios" "efi"))
    ("i686-linux" #("bios" "efi32"))
    ("aarch64-linux" #("efi"))
    (other (raise (formatted-message (G_ "ingot makes images of x86_64-linux, i686-linux and aarch64-linux, and not of ~a")
                                     other)))))

(define %grubs
  ;; The boot loaders in whose place ingot installs its GRUB.
  '(grub grub-minimal grub-efi grub-efi32 grub-efi-removable-bootloader
    grub-efi32-removable-bootloader grub-hybrid grub-mkrescue))

(define (check-bootloader os)
  (let ((name (bootloader-name
               (bootloader-configuration-bootloader (operating-system-bootloader os)))))
    (unless (memq name %grubs)
      (raise (formatted-message (G_ "the operating system's boot loader is ~a, and ingot installs GRUB: \
write (bootloader grub-bootloader) or (bootloader grub-efi-bootloader)") name)))))

(define (bytes size)
  "Return SIZE as recipes have it: a number of bytes, or 'guess."
  (if (integer? size) (string-append (number->string size) "B") "fit+512MiB"))

(define (image->recipe image os)
  "Return the recipe of IMAGE, whose operating system is OS: the partitions that it has for Guix,
and one for GRUB's BIOS code."
  (let* ((boot (boot-partition image))
         (iso? (eq? 'iso9660 (image-format image)))
         (device (file-system-device (operating-system-root-file-system os)))
         (timeout (bootloader-configuration-timeout (operating-system-bootloader os))))
    `((name . "guix")
      (arch . ,(match (image->system image)
                 ("aarch64-linux" "aarch64")
                 (_ "x86_64")))
      (store . ((flavour . "guix")))
      (disk . ((partitions
                . ,(list->vector
                    (if iso?
                        (list (root-partition->recipe boot "fit" #f))
                        (cons '((name . "bios") (type . "bios-boot") (size . "1MiB"))
                              (map (lambda (p)
                                     (if (eq? p boot)
                                         (root-partition->recipe p
                                                                 (bytes (if (integer? (partition-size p))
                                                                            (partition-size p)
                                                                            (image-size image)))
                                                                 (uuid->string device))
                                         (esp->recipe p)))
                                   (image-partitions image))))))))
      (bootloader . ((grub . ((platforms . ,(platforms image))))
                     (timeout . ,timeout)))
      ,@(if iso?
            `((output . ((format . "iso")
                         (volume . ,(string-upcase (partition-label boot)))
                         (uuid . ,(uuid->string device)))))
            '()))))

(define (root-partition->recipe p size uuid)
  `((name . "root") (filesystem . "ext4") (label . ,(partition-label p)) (size . ,size)
    ,@(if uuid `((uuid . ,uuid)) '())
    (contents . ((store . #t)))))

(define (esp->recipe p)
  `((name . "esp") (type . "esp") (filesystem . "fat") (label . ,(partition-label p))
    (size . ,(bytes (partition-size p)))))

(define (image->file image target)
  "Return the file-like object that IMAGE is built by, in the way that TARGET says."
  (check-bootloader (image-operating-system image))
  (let* ((os (operating-system-for-image image))
         (object (ingot-image os
                              #:name (symbol->string (image-name image))
                              #:format (target-format target)
                              #:recipe (image->recipe image os)
                              #:settings (target-settings target)
                              #:grub (target-grub target)
                              #:ingot (match (target-ingot target)
                                        ('default ingot)
                                        (ingot ingot)))))
    (let ((platform (image-platform image)))
      (when (or (%current-target-system)
                (and platform (not (string=? (platform-system platform) (%current-system)))))
        (raise (formatted-message (G_ "ingot's image types do not cross-compile, since GRUB would not: build with \
--system=~a, on such a machine or by its emulation")
                                  (if platform (platform-system platform) "SYSTEM")))))
    object))

;; Once, since the module may be loaded again, when the replacement is in place.
(define-once system-image/guix system-image)

(define (system-image/ingot image)
  "Return IMAGE as a file-like object: made by ingot if it is of an image type of ingot's."
  (match (image-target image)
    (#f (system-image/guix image))
    (target (image->file image target))))

(set! (@@ (gnu system image) system-image) system-image/ingot)
