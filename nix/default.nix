# Images as derivations whose builder is ingot. They need no virtual machine, no KVM and no
# features of the machine that builds them: any builder of Nix, local or remote, makes them.
#
#   images = import ./nix { inherit pkgs; };
#   images.mkImage { config = nixos.config; format = "qcow2"; }
#
# Of pkgs they take GRUB, mksquashfs, QEMU and two writers of small files, each only where it is
# needed, so that other package sets than nixpkgs serve as well.
{
  pkgs,
  ingot ? pkgs.ingot or (pkgs.callPackage ./package.nix { }),
}:
let
  inherit (builtins) concatMap elem toJSON;
  pure = import ./lib.nix;

  # program and the packages that it takes run where the image is built.
  platform = pkgs.stdenv.buildPlatform.system or pkgs.system;
  grubs =
    arch:
    if arch == "x86_64" || arch == "i686" then
      [
        pkgs.grub2
        pkgs.grub2_efi
      ]
    else
      [ pkgs.grub2_efi ];

  # read checks the arguments that all functions share, and returns the recipe, or the system and
  # the keys that go over the recipe that ingot derives of it.
  read =
    what:
    {
      # A NixOS or Guix system: the derivation, or its store path.
      system ? null,
      # The configuration of a NixOS system: nixosConfigurations.NAME.config.
      config ? null,
      # Keys of a recipe, over those that follow from the system.
      recipe ? { },
      # raw, qcow2, vdi, vhd, iso, netboot or kexec. Default: output.format of recipe, or raw.
      format ? null,
      # The name of the derivation and of the file, without its suffix.
      name ? null,
      # The file's name. A netboot folder has no suffix.
      fileName ? null,
      # Further store paths for the image's store, with their closures.
      closures ? [ ],
      # The GRUB packages. Default: nixpkgs' own for the system's architecture.
      grub ? null,
      # Further packages with programs that ingot is to run.
      programs ? [ ],
      # The platform that the image runs on. Default: the configuration's, or the one it is built on.
      hostPlatform ? null,
      # How large partitions get that are derived of config; ingot's notation.
      rootSize ? "fit+512MiB",
      bootSize ? "fit+256MiB",
      swapSize ? "1GiB",
    }:
    let
      keys = pure.checkRecipe what recipe;
      output = keys.output or { };
      recipeFormat = if builtins.isString output then output else output.format or null;
      wanted =
        if format != null then
          format
        else if recipeFormat != null then
          recipeFormat
        else
          "raw";
      kind = pure.checkFormat what wanted;
      # A path that a person types, also ./result, is no input of a derivation by itself.
      input =
        path: if builtins.isPath path || builtins.isString path && !builtins.hasContext path then builtins.storePath path else path;
      toplevel = if config != null then config.system.build.toplevel else input system;
      # An option without a value throws.
      declared = builtins.tryEval (config.nixpkgs.hostPlatform.system or null);
      runsOn =
        if hostPlatform != null then
          hostPlatform
        else if config != null && declared.success && declared.value != null then
          declared.value
        else
          toplevel.system or platform;
      arch = keys.arch or (pure.archOf runsOn);
      baseName =
        if name != null then
          name
        else if keys ? name then
          keys.name
        else if config != null then
          config.system.name or "nixos"
        else
          "nixos";
      derived = pure.fromConfig {
        inherit
          config
          rootSize
          bootSize
          swapSize
          ;
        format = kind;
        platform = runsOn;
      };
      live = elem kind pure.liveFormats;
    in
    if system != null && config != null then
      throw "${what}: system and config: give one of them; config has its system in config.system.build.toplevel"
    else if system == null && config == null then
      throw "${what}: give system, a NixOS or Guix system, or config, the configuration of a NixOS system"
    else if builtins.storeDir != "/nix/store" then
      throw "${what}: this Nix keeps its store in ${builtins.storeDir}: ingot makes images of /nix/store alone"
    else
      {
        inherit
          toplevel
          kind
          baseName
          ;
        fileName = if fileName != null then fileName else baseName + pure.formats.${kind};
        closures = [ toplevel ] ++ map input closures;
        programs = programs ++ (if grub != null then grub else grubs arch) ++ (if live then [ pkgs.squashfsTools ] else [ ]);
        # With config, the whole recipe; with system, ingot derives it and these go over it.
        whole = if config != null then pure.merge derived (withFormat keys kind) else null;
        settings = pure.settings ({ name = baseName; } // withFormat keys kind);
      };

  # withFormat says the format in a recipe's keys.
  withFormat =
    keys: format:
    keys
    // {
      output =
        (if builtins.isAttrs (keys.output or { }) then keys.output or { } else { })
        // {
          inherit format;
        };
    };

  # A recipe is a file of the store that refers to nothing: the derivation that reads it has its
  # inputs as attributes.
  recipeFile =
    image: builtins.toFile "${image.baseName}.json" (builtins.unsafeDiscardStringContext (toJSON image.whole));

  # what are the arguments of ingot that name the recipe.
  what =
    image:
    if image.whole != null then
      [ (recipeFile image) ]
    else
      [ "${image.toplevel}" ] ++ concatMap (s: [ "--set" s ]) image.settings;

  # builder is a derivation that runs ingot on a system, in nothing but its inputs.
  builder =
    image: attributes: arguments:
    derivation (
      {
        name = image.baseName;
        system = platform;
        builder = "${ingot}/bin/ingot";
        args = arguments;

        # The closure comes as .attrs.json, with the hashes and sizes that Nix knows.
        __structuredAttrs = true;
        exportReferencesGraph.closure = image.closures;
        # An image needs nothing of this machine's store once it is made.
        unsafeDiscardReferences.out = true;
        # Where ingot looks for programs; there is no PATH.
        programs = map (package: "${package}/bin") image.programs;
        recipe = if image.whole != null then image.whole else image.settings;
      }
      // attributes
    );
in
pure
// rec {
  inherit ingot;

  # mkImage is an image of a system: a derivation with the image at ITS PATH/fileName, and the
  # manifest with its digests beside it.
  mkImage =
    arguments:
    let
      image = read "mkImage" arguments;
      made = builder image { } (
        [ "build" ] ++ what image ++ [
          "--no-vm"
          "-o"
          "${placeholder "out"}/${image.fileName}"
        ]
      );
    in
    made
    // {
      inherit (image) fileName;
      filePath = image.fileName;
      format = image.kind;
      passthru = {
        inherit (image) fileName;
        filePath = image.fileName;
        inherit (image) toplevel;
        recipe = image.whole;
      };
      meta = { };
    };

  # streamImage is a program that writes the same bytes where its arguments say: to a file, a
  # device or standard output. Nothing of the image gets into the store.
  #
  #   nix run .#image -- -o /dev/sdX
  streamImage =
    arguments:
    let
      image = read "streamImage" arguments;
      quoted = text: "'" + builtins.replaceStrings [ "'" ] [ "'\\''" ] text + "'";
      # What Nix says of the closure, with the content addresses that a registration lacks.
      path-info = pkgs.runCommand "${image.baseName}-closure.json" {
        __structuredAttrs = true;
        exportReferencesGraph.closure = image.closures;
      } "${ingot}/bin/ingot closure --path-info $NIX_BUILD_TOP/.attrs.json --format json > $out\n";
      whole = image.whole // {
        store = image.whole.store or { } // {
          closures = image.whole.store.closures or [ ] ++ [ { path-info = "${path-info}"; } ];
        };
      };
      path = builtins.concatStringsSep ":" (map (package: "${package}/bin") image.programs);
    in
    pkgs.writeShellScriptBin image.baseName (
      "export PATH=${path}\${PATH:+:$PATH}\n"
      + (
        if image.whole != null then
          ''
            build() {
              ${ingot}/bin/ingot build - "$@" <<'END OF RECIPE'
            ${toJSON whole}
            END OF RECIPE
            }
          ''
        else
          ''
            build() {
              ${ingot}/bin/ingot build ${
                builtins.concatStringsSep " " (map quoted (what image ++ [ "--path-info" "${path-info}" ]))
              } "$@"
            }
          ''
      )
      # ingot replaces no device: its bytes go there in order, by dd.
      + ''
        out= previous=
        for argument; do
          case $previous in -o | --output) out=$argument ;; esac
          case $argument in
          --output=*) out=''${argument#--output=} ;;
          -o?*) out=''${argument#-o} ;;
          esac
          previous=$argument
        done
        if [ ! -b "$out" ]; then
          build "$@"
          exit
        fi
        out=$(${pkgs.coreutils}/bin/readlink -f "$out")
        case $out in
        *[0-9]) partition=''${out}p ;; # /dev/nvme0n1p2, and not /dev/loop10 for /dev/loop1
        *) partition=$out ;;
        esac
        while read -r device folder rest; do
          case $device in
          "$out" | "$partition"[0-9]*)
            echo "$out is in use: $device is mounted at $folder" >&2
            exit 1
            ;;
          esac
        done < /proc/mounts
        set -o pipefail
        build "$@" --format ${if image.kind == "iso" then "iso" else "raw"} -o - | ${pkgs.coreutils}/bin/dd of="$out" bs=4M conv=fsync
      ''
    );

  # testImage boots the image without building it, runs the tests of its recipe (recipe.tests) and
  # keeps their results. The machine is emulated, so that any builder can run it.
  testImage =
    arguments:
    let
      image = read "testImage" (
        removeAttrs arguments [ "boot" ] // { programs = [ pkgs.qemu ] ++ arguments.programs or [ ]; }
      );
      # kernel, bios or uefi.
      boot = arguments.boot or null;
    in
    builder image { name = "${image.baseName}-test"; } (
      [ "test" ] ++ what image ++ [
        "--accel"
        "tcg"
      ]
      ++ (if boot == null then [ ] else [ "--boot" boot ])
      ++ [
        "--results"
        "${placeholder "out"}"
      ]
    );

  # matrix has an image of every system in every format: matrix { systems.web = { inherit config; };
  # formats = [ "raw" "qcow2" ]; } has web.raw and web.qcow2. A system has arguments of mkImage.
  matrix =
    { systems, formats }:
    builtins.mapAttrs (
      name: arguments:
      builtins.listToAttrs (
        map (format: {
          name = format;
          value = mkImage ({ inherit name; } // arguments // { inherit format; });
        }) formats
      )
    ) systems;

  # hydraProduct is what Hydra offers for download of an image.
  hydraProduct =
    image:
    let
      files =
        if image.format == "netboot" || image.format == "kexec" then
          map (file: "file ${file} ${image}/${image.filePath}/${file}") (
            [
              "kernel"
              "initrd"
            ]
            ++ (
              if image.format == "kexec" then
                [ "run" ]
              else
                [
                  "root.squashfs"
                  "script.ipxe"
                ]
            )
          )
        else
          [ "file ${image.format} ${image}/${image.filePath}" ];
    in
    pkgs.runCommand "${image.name}-product" { } ''
      mkdir -p $out/nix-support
      echo '${builtins.concatStringsSep "\n" files}' > $out/nix-support/hydra-build-products
    '';
}
