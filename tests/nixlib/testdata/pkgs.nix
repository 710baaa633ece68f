# What ingot's expressions take of nixpkgs, made of Debian's programs: ./input is filled by the
# test, and busybox is the only program that any builder but ingot runs.
let
  path = name: builtins.path { inherit name; path = ./input + "/${name}"; };
  busybox = path "busybox";

  run = name: script: attributes: derivation ({
    inherit name busybox;
    system = "x86_64-linux";
    builder = "${busybox}/bin/sh";
    args = [ "-euc" ''PATH=$busybox/bin; umask 022; . "$script"'' ];
    script = builtins.toFile "${name}.sh" script;
  } // attributes);

  # wrapped has programs of Debian's that find their libraries in their own store item.
  wrapped = name: run name ''
    mkdir -p $out/bin
    cp -a $folder/. $out
    chmod -R u+w $out
    for program in $out/libexec/*; do
      wrapper=$out/bin/''${program##*/}
      printf '#! %s/bin/sh\nexec %s/lib/ld.so --library-path %s/lib %s "$@"\n' $busybox $out $out "$program" > $wrapper
      chmod +x $wrapper
    done
  '' { folder = path name; };
in
rec {
  inherit run busybox;
  stdenv.buildPlatform.system = "x86_64-linux";
  ingot = path "ingot";
  coreutils = busybox;
  grub2 = wrapped "grub2";
  grub2_efi = wrapped "grub2_efi";
  squashfsTools = wrapped "squashfsTools";
  qemu = wrapped "qemu";

  writeShellScriptBin = name: text: run name ''
    mkdir -p $out/bin
    printf '#! %s/bin/sh\n%s' $busybox "$text" > $out/bin/$name
    chmod +x $out/bin/$name
  '' { inherit text; };

  # nixpkgs' own has $out from .attrs.sh, which takes bash.
  runCommand = name: attributes: script: derivation ({
    inherit name;
    system = "x86_64-linux";
    builder = "${busybox}/bin/sh";
    args = [ "-euc" "out=${placeholder "out"} PATH=${busybox}/bin\n${script}" ];
  } // attributes);
}
