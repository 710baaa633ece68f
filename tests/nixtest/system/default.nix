# A closure that looks like a small NixOS system, and that holds what store tools
# trip over. It is built offline: ./input is filled by package nixtest, and busybox
# is the only program that any builder runs.
let
  tools = builtins.path { path = ./input/tools; name = "busybox-static"; };

  # run builds a derivation by a shell script, with the attributes as variables.
  run = name: script: attributes: derivation ({
    inherit name tools;
    system = "x86_64-linux";
    builder = "${tools}/bin/busybox";
    args = [ "sh" "-euc" ''PATH=$tools/bin; umask 022; . "$script"'' ];
    script = builtins.toFile "${name}.sh" script;
  } // attributes);

  # Store paths that are a plain file, a program and a symlink.
  readme = run "readme.txt" ''echo "see $odd" > $out'' { inherit odd; };
  hook = run "hook" ''
    printf '#! %s/bin/sh\necho hook\n' $tools > $out
    chmod +x $out
  '' { };
  current = run "current" ''ln -s $readme $out'' { inherit readme; };
  empty = run "empty" ''mkdir $out'' { };

  # Names that are not UTF-8, with newlines and quotes, of 253 bytes, in NFC beside
  # NFD, differing in case alone; forty levels of folders; empty folders.
  odd = run "odd-names-1.0" (builtins.readFile ./odd.sh) { };

  # Five in a chain, each of which knows the next and itself.
  link = next: n: run "chain-${toString n}" ''
    mkdir -p $out/lib
    printf '%s\n' $out $next > $out/lib/needs
    ln -s $next $out/next
  '' { inherit next; };
  chain = builtins.foldl' link empty [ 5 4 3 2 1 ];

  # One derivation with three outputs, of which one is needed by the others.
  multi = run "multi-2.1" ''
    mkdir -p $lib/lib $out/bin $dev/include
    echo "$lib uses $chain" > $lib/lib/libmulti.so
    printf '#! %s/bin/sh\necho %s\n' $tools $lib > $out/bin/multi
    chmod +x $out/bin/multi
    ln -s $out/bin/multi $dev/multi
    echo "// $lib" > $dev/include/multi.h
  '' { inherit chain; outputs = [ "out" "dev" "lib" ]; };

  # A path that needs a .drv, and with it all that the .drv names.
  keeper = run "drv-keeper" ''echo $drv > $out'' {
    drv = builtins.unsafeDiscardOutputDependency multi.drvPath;
  };

  # Files of equal content, some executable, and one with 8 MiB of zeros.
  contents = run "contents-0.3" (builtins.readFile ./contents.sh) { };

  linux = run "linux-@release@" ''
    mkdir $out
    cp $vmlinuz $out/bzImage
  '' { vmlinuz = ./input/vmlinuz; };
  initrd = run "initrd-linux-@release@" ''
    mkdir $out
    cp $archive $out/initrd
  '' { archive = ./input/initrd; };

  etc = run "etc" ''
    mkdir -p $out/etc
    echo ingot-test > $out/etc/hostname
    echo 'root:x:0:0:root:/root:/bin/sh' > $out/etc/passwd
    echo '/dev/disk/by-label/nixos / auto defaults 0 1' > $out/etc/fstab
    ln -s $readme $out/etc/motd
  '' { inherit readme; };
  path = run "system-path" ''
    mkdir -p $out/bin
    for program in $tools/bin/*; do ln -s $program $out/bin; done
    ln -s $multi/bin/multi $out/bin
  '' { inherit multi; };

  system = run "nixos-system-ingot-test-24.05" (builtins.readFile ./toplevel.sh) {
    inherit linux initrd etc path keeper contents hook current empty;
    dev = multi.dev;
    init = ./init.sh;
  };

  # What Nix itself says of the closure.
  graph = run "graph" ''cp closure $out'' { exportReferencesGraph = [ "closure" system ]; };
in
{ inherit system graph; }
