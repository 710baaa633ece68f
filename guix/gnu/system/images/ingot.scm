;;; Guix looks for image types in modules below (gnu system images): this one makes
;;; 'guix system image --list-image-types' and '-t' find those of (ingot image).

(define-module (gnu system images ingot)
  #:use-module (ingot image)
  #:re-export (ingot-raw-image-type
               ingot-qcow2-image-type
               ingot-vdi-image-type
               ingot-vhd-image-type
               ingot-iso-image-type))
