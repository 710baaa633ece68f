;; Has the daemon make a system's closure, in the layout of a Guix System and with all
;; that a store can hold, and write down its graph. Prints system, graph and a .drv.
(use-modules (guix store) (guix derivations) (guix monads) (ice-9 match))
(load "/mnt/parameters.scm")

(define %store (open-connection))
(define tools (add-to-store %store "tools-1.0" #t "sha256" "/mnt/input/tools"))

(define* (build name script #:key (inputs '()) (sources '()) (outputs '("out"))
                (graphs '()))
  "Run SCRIPT, with PATH set to the tools, and return the derivation."
  (let ((drv (derivation %store name (string-append tools "/bin/sh")
                         (list "-euc" script)
                         #:env-vars `(("PATH" . ,(string-append tools "/bin")))
                         #:inputs (map derivation-input inputs)
                         #:sources (cons tools sources)
                         #:outputs outputs
                         #:references-graphs graphs)))
    (build-derivations %store (list drv))
    drv))

(define* (out drv #:optional (output "out"))
  (derivation->output-path drv output))

(define multi
  (build "multi-2.1" "
mkdir -p $lib/lib $out/bin $doc/share
echo library > $lib/lib/libmulti.so
echo \"#! $lib/lib/libmulti.so\" > $out/bin/multi
chmod +x $out/bin/multi
echo \"$out, and itself: $doc\" > $doc/share/readme"
         #:outputs '("out" "lib" "doc")))

;; Around the size from which Guix shares files, and twice each.
;; Names are UTF-8: Guile, and with it Guix's own copying, loses others.
(define contents
  (build "contents-0.3" "
mkdir -p $out/empty $out/deep/a/b/c $out/names
for size in 0 1 8191 8192 8193 70000; do
	head -c $size /dev/zero | tr '\\0' x > $out/file-$size
	cp $out/file-$size $out/deep/a/b/c/copy-$size
	cp $out/file-$size $out/deep/program-$size
	chmod +x $out/deep/program-$size
done
head -c 3000000 /dev/zero > $out/zeros
ln -s ../nowhere $out/dangling
ln -s file-8192 $out/link
touch \"$out/names/two words\" \"$out/names/quote\\\"back\\\\slash\" \"$out/names/$(printf 'new\\nline')\" \"$out/names/$(printf 'caf\\303\\251')\" $out/names/Makefile $out/names/makefile
i=0; while [ $i -lt 300 ]; do echo $i > $out/names/entry-$i; i=$((i + 1)); done"))

;; Items that are no folders.
(define single (build "single" "head -c 8192 /dev/zero | tr '\\0' x > $out"))
(define program (build "program" "head -c 8192 /dev/zero | tr '\\0' x > $out; chmod +x $out"))
(define current (build "current" (string-append "ln -s " (out multi) "/bin/multi $out") #:inputs (list multi)))
(define config (add-text-to-store %store "config.scm" (string-append "(use " (out multi "lib") ")\n")
                                  (list (out multi "lib"))))

;; A derivation in the closure, with its outputs.
(define manifest
  (build "manifest" (string-append "echo " (derivation-file-name multi) " > $out")
         #:sources (list (derivation-file-name multi))))

(define guile (guile-for-build %store tools))
(define parameters
  (run-with-store %store
    (parameters-of (system-on (file-system-label "guix-root")) guile)))
(build-derivations %store (list parameters))
(define boot-parameters
  (call-with-input-file (out parameters) read-boot-parameters))

(define system
  (build "system" (string-append "
mkdir $out
ln -s " (dirname (boot-parameters-kernel boot-parameters)) " $out/kernel
ln -s " (boot-parameters-initrd boot-parameters) " $out/initrd
ln -s " (out parameters) " $out/parameters
ln -s " tools " $out/profile
mkdir $out/etc
for item in " (string-join (list (out multi) (out multi "doc") (out contents) (out single)
                                 (out program) (out current) config (out manifest))) "; do
	ln -s $item $out/etc/
done
echo 'LABEL=guix-root	/	ext4	defaults	' > $out/etc/fstab
sed \"s|@out@|$out|; s|@tools@|" tools "|\" " tools "/share/boot.sh > $out/boot
chmod +x $out/boot")
         #:inputs (list multi contents single program current manifest parameters)
         #:sources (list config)))

(define graph
  (build "graph" "cp system-graph $out" #:graphs `(("system-graph" . ,(out system)))
         #:inputs (list system)))

(for-each (lambda (path) (display path) (newline))
          (list (out system) (out graph) (derivation-file-name multi)))
