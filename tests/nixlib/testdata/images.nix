# Images of a small system, in every way that ingot's expressions make them.
let
  pkgs = import ./pkgs.nix;
  images = import ./nix { inherit pkgs; inherit (pkgs) ingot; };
  base = (import ./system).system;

  # A system with the fstab of a NixOS configuration.
  fstab = builtins.toFile "fstab" ''
    /dev/disk/by-label/nixos / ext4 defaults 0 1
    /dev/disk/by-label/ESP /boot vfat defaults 0 2
  '';
  system = pkgs.run "nixos-system-web-24.05" ''
    cp -a $base $out
    chmod -R u+w $out
    etc=$(readlink $out/etc)
    rm $out/etc
    mkdir $out/etc
    for file in $etc/*; do ln -s $file $out/etc; done
    ln -sf $fstab $out/etc/fstab
    sed -i "s|$base|$out|g" $out/init $out/boot.json
  '' { inherit base fstab; };

  config = {
    system.name = "web";
    system.build.toplevel = system;
    networking.hostName = "web";
    nixpkgs.hostPlatform.system = "x86_64-linux";
    fileSystems."/" = { device = "/dev/disk/by-label/nixos"; fsType = "ext4"; };
    fileSystems."/boot" = { device = "/dev/disk/by-label/ESP"; fsType = "vfat"; };
    boot.loader.grub = { enable = true; efiSupport = true; device = "/dev/vda"; };
    boot.loader.timeout = 1;
  };
  recipe = {
    disk.partitions.root.size = "fit+32MiB";
    bootloader.console = [ "ttyS0" ];
  };
  arguments = { inherit config recipe; };
  own = {
    name = "web";
    system = "x86_64-linux";
    builder = "${pkgs.ingot}/bin/ingot";
    args = [ "build" "${system}" ];
  };
  web = arguments;
  small = arguments // { rootSize = "fit"; recipe = { }; };
  of = format: images.mkImage (arguments // { inherit format; });
in
rec {
  inherit system;

  # What the images are made of.
  inputs = [ system pkgs.grub2 pkgs.grub2_efi ];

  raw = of "raw";
  qcow2 = of "qcow2";
  vdi = of "vdi";
  vhd = of "vhd";
  iso = of "iso";
  netboot = of "netboot";
  kexec = of "kexec";

  stream = images.streamImage (arguments // { format = "qcow2"; });

  # What a stream writes, in the sandbox of a build: the same bytes.
  same = pkgs.run "same" ''
    $stream/bin/web -o web.qcow2
    cmp web.qcow2 $image/web.qcow2
    $stream/bin/web -o - --format raw > web.raw
    cmp web.raw $raw/web.raw
    mkdir $out
  '' {
    inherit raw;
    image = qcow2;
    inherit stream;
  };

  # With the system alone, ingot derives the recipe within the build.
  derived = images.mkImage { inherit system; name = "web"; format = "qcow2"; recipe.disk.partitions.root.size = "fit+32MiB"; };
  sameDerived = pkgs.run "same-derived" ''
    $stream/bin/web -o web.qcow2
    cmp web.qcow2 $image/web.qcow2
    mkdir $out
  '' {
    image = derived;
    stream = images.streamImage { inherit system; name = "web"; format = "qcow2"; recipe.disk.partitions.root.size = "fit+32MiB"; };
  };

  # As a person types it: the path of a system, without the derivation.
  ofPath = path: images.mkImage { system = path; name = "web"; format = "qcow2"; recipe.disk.partitions.root.size = "fit+32MiB"; };

  # Derivations of one's own, with ingot as the builder and no argument but the system.
  plain = derivation (own // { exportReferencesGraph = [ "closure" system ]; PATH = "${pkgs.grub2}/bin:${pkgs.grub2_efi}/bin"; });
  mislabelled = images.mkImage (arguments // { recipe.disk.partitions.esp.label = "OTHER"; });
  vm = images.mkImage (arguments // { recipe.disk.partitions.root.filesystem = "btrfs"; });
  lacksGraph = derivation (own // { __structuredAttrs = true; });
  exists = derivation (own // {
    exportReferencesGraph = [ "closure" system ];
    builder = "${pkgs.busybox}/bin/sh";
    args = [ "-c" "${pkgs.busybox}/bin/mkdir $out && ${pkgs.ingot}/bin/ingot build ${system}" ];
  });

  # A matrix, as a farm builds it, and what Hydra takes.
  matrix = images.matrix { systems = { inherit web small; }; formats = [ "qcow2" "netboot" ]; };
  product = images.hydraProduct matrix.web.qcow2;
  products = images.hydraProduct matrix.web.netboot;

  # What a builder sees.
  seen = pkgs.run "seen" "id -u > $out; echo $HOME >> $out; ls / >> $out" { };

  # ingot test within a build.
  booting = script: images.testImage (arguments // {
    boot = "bios";
    recipe = recipe // {
      bootloader = recipe.bootloader // { arguments = [ "ingot-test.poweroff" ]; };
      tests = [ { name = "boots"; inherit script; } ];
    };
  });
  test = booting "start\nwait line ingot-test: contents match\nwait ended\n";
  failing = booting "start\nwait line never said\n";
}
