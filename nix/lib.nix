# What can be said of an image without nixpkgs: in builtins alone, so that any Nix evaluates it.
let
  inherit (builtins)
    all
    attrNames
    attrValues
    concatLists
    concatMap
    concatStringsSep
    elem
    elemAt
    filter
    foldl'
    genList
    hasAttr
    head
    isAttrs
    isList
    isString
    length
    listToAttrs
    map
    match
    replaceStrings
    sort
    split
    stringLength
    substring
    toJSON
    toString
    ;

  optional = condition: value: if condition then [ value ] else [ ];
  optionals = condition: list: if condition then list else [ ];
  optionalAttrs = condition: set: if condition then set else { };
  hasPrefix = prefix: text: substring 0 (stringLength prefix) text == prefix;
  removePrefix = prefix: text: substring (stringLength prefix) (-1) text;
  unique = foldl' (list: e: if elem e list then list else list ++ [ e ]) [ ];
  startsIn = prefixes: text: builtins.any (p: hasPrefix p text) prefixes;
in
rec {
  # The formats that ingot build writes, and what nixpkgs calls their files.
  formats = {
    raw = ".raw";
    qcow2 = ".qcow2";
    vdi = ".vdi";
    vhd = ".vhd";
    iso = ".iso";
    netboot = "";
    kexec = "";
  };

  # The formats of live systems, which have no disk.
  liveFormats = [
    "iso"
    "netboot"
    "kexec"
  ];

  # checkFormat returns a format that ingot writes.
  checkFormat =
    what: format:
    if isString format && hasAttr format formats then
      format
    else
      throw "${what}: format ${toJSON format}: must be one of ${concatStringsSep ", " (attrNames formats)}";

  # What ingot calls the processors of Nix's platforms.
  archOf =
    platform:
    let
      known = {
        x86_64-linux = "x86_64";
        i686-linux = "i686";
        aarch64-linux = "aarch64";
        armv7l-linux = "armhf";
        riscv64-linux = "riscv64";
      };
    in
    known.${platform} or (throw "platform ${toJSON platform}: ingot makes images for ${concatStringsSep ", " (attrNames known)}");

  # merge puts keys over a recipe as ingot's --set does: mappings are merged, and a mapping over a
  # list changes the elements that it names, by their name, path or number. All else is replaced.
  merge =
    base: over:
    if isAttrs base && isAttrs over && !(over ? outPath) then
      base // builtins.mapAttrs (key: value: if hasAttr key base then merge base.${key} value else value) over
    else if isList base && isAttrs over then
      mergeList base over
    else
      over;

  mergeList =
    base: over:
    let
      named = n: i: e: n == toString i || n == (e.name or "") || n == (e.path or "");
      elements = genList (i: {
        inherit i;
        value = elemAt base i;
      }) (length base);
      unknown = filter (n: all (e: !(named n e.i e.value)) elements) (attrNames over);
    in
    if unknown != [ ] then
      throw "recipe: no element has the number or the name ${toJSON (head unknown)}; there are ${
        concatStringsSep ", " (map (e: toJSON (e.name or e.path or "?")) base)
      }"
    else
      map (e: foldl' (value: n: if named n e.i e.value then merge value over.${n} else value) e.value (attrNames over)) elements;

  # settings are the same keys as values of --set, which ingot puts over the recipe that it derives.
  settings =
    recipe:
    let
      # Dots and brackets separate the parts of a key.
      plain =
        key:
        if match "[^].=[]+" key != null then
          key
        else
          throw "recipe: key ${toJSON key}: no dots, brackets and = here; give the whole list that the element belongs to";
      leaves =
        path: value:
        if isAttrs value && !(value ? outPath) && value != { } then
          concatMap (key: leaves (path ++ [ (plain key) ]) value.${key}) (attrNames value)
        else
          [ "${concatStringsSep "." path}=${toJSON value}" ];
    in
    if recipe == { } then [ ] else leaves [ ] recipe;

  # checkRecipe returns a recipe's keys.
  checkRecipe =
    what: recipe:
    if isAttrs recipe then
      recipe
    else
      throw "${what}: recipe: must be an attribute set of recipe keys, such as { disk.size = \"8GiB\"; }, and is a ${builtins.typeOf recipe}";

  # device says how a system finds a device: by "label", "uuid", "partlabel", "partuuid", or "path".
  device =
    text:
    let
      # udev escapes what is neither a letter nor a digit nor one of #+-.:=@_.
      escapes = {
        "\\040" = " ";
        "\\x20" = " ";
        "\\x21" = "!";
        "\\x22" = "\"";
        "\\x24" = "\$";
        "\\x25" = "%";
        "\\x26" = "&";
        "\\x27" = "'";
        "\\x28" = "(";
        "\\x29" = ")";
        "\\x2a" = "*";
        "\\x2c" = ",";
        "\\x2f" = "/";
        "\\x3b" = ";";
        "\\x3c" = "<";
        "\\x3e" = ">";
        "\\x3f" = "?";
        "\\x5b" = "[";
        "\\x5c" = "\\";
        "\\x5d" = "]";
        "\\x5e" = "^";
        "\\x60" = "`";
        "\\x7b" = "{";
        "\\x7c" = "|";
        "\\x7d" = "}";
        "\\x7e" = "~";
      };
      plain = replaceStrings (attrNames escapes) (attrValues escapes);
      forms = {
        "/dev/disk/by-label/" = "label";
        "LABEL=" = "label";
        "/dev/disk/by-uuid/" = "uuid";
        "UUID=" = "uuid";
        "/dev/disk/by-partlabel/" = "partlabel";
        "PARTLABEL=" = "partlabel";
        "/dev/disk/by-partuuid/" = "partuuid";
        "PARTUUID=" = "partuuid";
      };
      form = filter (prefix: hasPrefix prefix text) (attrNames forms);
    in
    if form == [ ] then
      {
        kind = "path";
        value = text;
      }
    else
      {
        kind = forms.${head form};
        value = plain (removePrefix (head form) text);
      };

  # fromConfig is the recipe of a NixOS configuration: the disk that its fileSystems, swapDevices
  # and boot.loader expect. The sizes are those that the options of image.ingot have.
  #
  # ingot itself derives a recipe as well, of a system that is built (recipes/derive). This one is
  # made of the configuration, which says more than the closure holds: whether the boot loader is for
  # BIOS or UEFI, where it mounts the ESP. It is known before anything is built, so that Nix can
  # merge keys into it and passthru.recipe shows it. ingot holds its disk against the system as any
  # other's: where the two contradict each other, the build fails and names the key.
  fromConfig =
    {
      config,
      format ? "raw",
      name ? config.system.name or config.networking.hostName or "nixos",
      platform ? "x86_64-linux",
      rootSize ? "fit+512MiB",
      bootSize ? "fit+256MiB",
      swapSize ? "1GiB",
    }:
    let
      arch = archOf platform;
      live = elem format liveFormats;
      grubbed = config.boot.loader.grub or { };
      systemd-boot = config.boot.loader.systemd-boot.enable or false;
      useGrub = grubbed.enable or false;
      # BIOSes exist on x86 alone. GRUB's devices are "nodev" where it is for UEFI alone.
      devices = filter (d: d != "nodev" && d != "") ((grubbed.devices or [ ]) ++ [ (grubbed.device or "") ]);
      x86 = elem arch [
        "x86_64"
        "i686"
      ];
      bios = x86 && (live || useGrub && (devices != [ ] || !(grubbed.efiSupport or false)));
      efi = live || systemd-boot || useGrub && (grubbed.efiSupport or false) || !x86 && useGrub;
      platforms = optional bios "bios" ++ optional efi "efi";

      virtual = [
        "tmpfs"
        "overlay"
        "ramfs"
        "devtmpfs"
        "proc"
        "sysfs"
        "nfs"
        "nfs4"
        "cifs"
        "9p"
        "virtiofs"
        "squashfs"
        "iso9660"
        "none"
        "fuse"
        "sshfs"
        "zfs"
      ];
      onDisk =
        fs:
        fs.enable or true
        && !(elem (fs.fsType or "auto") virtual)
        && !(hasPrefix "fuse." (fs.fsType or ""))
        && !(elem "bind" (fs.options or [ ]) || elem "rbind" (fs.options or [ ]))
        && (fs.device or null) != null
        && !(hasPrefix "/dev/loop" fs.device)
        && startsIn [ "/dev/" "LABEL=" "UUID=" "PARTLABEL=" "PARTUUID=" ] fs.device
        && !(spared fs);
      # What the system starts without is as a rule another disk: a stick, an archive.
      spared =
        fs:
        (elem "nofail" (fs.options or [ ]) || elem "noauto" (fs.options or [ ]))
        && !(elem fs.mountPoint [
          "/"
          "/nix"
          "/nix/store"
          "/boot"
          "/boot/efi"
          "/efi"
          esp
        ])
        && !(fs.neededForBoot or false);
      named = builtins.mapAttrs (point: fs: fs // { mountPoint = fs.mountPoint or point; }) (config.fileSystems or { });
      mounts = filter onDisk (attrValues named);

      # Subvolumes and the like mount one device twice: it is one partition, at its shortest point.
      byDevice = builtins.groupBy (fs: fs.device) mounts;
      first =
        list:
        let
          shorter = a: b: stringLength a.mountPoint < stringLength b.mountPoint;
        in
        head (sort shorter list);
      partitions = map first (attrValues byDevice);

      esp = config.boot.loader.efi.efiSysMountPoint or "/boot";
      # The root comes last, where it can grow.
      rank =
        fs:
        if fs.mountPoint == "/" then
          9
        else if fs.mountPoint == "/nix" || fs.mountPoint == "/nix/store" then
          8
        else if fs.mountPoint == esp then
          1
        else if fs.mountPoint == "/boot" then
          2
        else
          3;
      ordered = sort (a: b: rank a < rank b || rank a == rank b && a.mountPoint < b.mountPoint) partitions;

      # The deepest of these holds the store.
      storeAt = head (
        filter (point: builtins.any (fs: fs.mountPoint == point) mounts) [
          "/nix/store"
          "/nix"
          "/"
        ]
        ++ [ null ]
      );

      holdsStore = fs: builtins.any (of: of.mountPoint == storeAt) byDevice.${fs.device};

      kinds = {
        vfat = "fat";
        fat = "fat";
        msdos = "fat";
        ext4 = "ext4";
        auto = "ext4";
      };
      kind = fs: kinds.${fs.fsType or "auto"} or fs.fsType;

      nameOf =
        fs:
        let
          d = device fs.device;
          by = {
            "/" = "root";
            ${if esp == "/" then null else esp} = if kind fs == "fat" then "esp" else "boot";
          };
        in
        if d.kind == "partlabel" then d.value else by.${fs.mountPoint} or (nameOfPoint fs.mountPoint);

      # A mount point whose name is too long for the table, or that of another partition, is
      # named by its number.
      nameOfPoint =
        point:
        let
          name = replaceStrings [ "/" ] [ "-" ] (removePrefix "/" point);
          points = map (fs: fs.mountPoint) ordered;
          same = filter (other: replaceStrings [ "/" ] [ "-" ] (removePrefix "/" other) == name) points;
          given = filter (fs: (device fs.device).kind == "partlabel") ordered;
          others = [
            "bios"
            "root"
            "esp"
          ]
          ++ genList (i: if i == 0 then "swap" else "swap-${toString (i + 1)}") (length swaps)
          ++ map (fs: (device fs.device).value) given;
          number = foldl' (n: i: if elemAt points i == point then i + 1 else n) 0 (genList (i: i) (length points));
        in
        if stringLength name <= 36 && head same == point && !(elem name others) then name else "data-${toString number}";

      # found is how the partition gets what the system looks for. A path such as /dev/vda2 says
      # nothing that could be written; ingot judges whether it fits.
      found =
        fs:
        let
          d = device fs.device;
        in
        if hasPrefix "/dev/mapper/" d.value then
          throw "fileSystems.${toJSON fs.mountPoint}.device is ${fs.device}: Nix cannot keep the passphrase of a LUKS container or make logical volumes; build such a disk by a recipe, with ingot build"
        else if d.kind == "label" then
          { label = d.value; }
        else if d.kind == "uuid" then
          { uuid = d.value; }
        else if d.kind == "partuuid" then
          { guid = d.value; }
        else
          { };

      # subvolumes are those of a btrfs that the configuration mounts by their names.
      subvolumes =
        fs:
        let
          named = concatMap (
            other:
            map (option: {
              name = trimmed (removePrefix "subvol=" option);
              mount = other.mountPoint;
            }) (filter (hasPrefix "subvol=") (other.options or [ ]))
          ) byDevice.${fs.device};
        in
        if kind fs == "btrfs" then filter (s: s.name != null) named else [ ];
      trimmed = text: head (match "/*(.*[^/])?/*" text); # null of nothing but slashes

      partition =
        fs:
        {
          name = nameOf fs;
          filesystem = kind fs;
        }
        // optionalAttrs (all (s: s.mount != fs.mountPoint) (subvolumes fs)) { mount = fs.mountPoint; }
        // optionalAttrs (subvolumes fs != [ ]) { subvolumes = subvolumes fs; }
        // found fs
        // optionalAttrs (efi && fs.mountPoint == esp && kind fs == "fat") { type = "esp"; }
        // optionalAttrs (holdsStore fs) {
          contents.store = true;
          size = rootSize;
        }
        # Kernels of further generations come to /boot; an ESP elsewhere has GRUB alone.
        // optionalAttrs (fs.mountPoint == "/boot") { size = bootSize; }
        // optionalAttrs (!(holdsStore fs) && fs.mountPoint != esp && fs.mountPoint != "/boot") { size = "1GiB"; }
        // optionalAttrs (fs.autoResize or false || elem "x-systemd.growfs" (fs.options or [ ])) { flags = [ "grow" ]; };

      # A swap device that NixOS makes itself, of a file or with a new key at each start, needs none.
      swaps = filter (
        s: (s.size or null) == null && startsIn [ "/dev/" "LABEL=" "UUID=" "PARTLABEL=" "PARTUUID=" ] (s.device or "")
      ) (config.swapDevices or [ ]);
      swap =
        i: s:
        let
          d = device s.device;
          encrypted = (s.randomEncryption or { }).enable or false;
        in
        {
          name =
            if d.kind == "partlabel" then
              d.value
            else if i == 0 then
              "swap"
            else
              "swap-${toString (i + 1)}";
          size = swapSize;
          type = "swap";
        }
        // optionalAttrs (!encrypted) ({ filesystem = "swap"; } // optionalAttrs (d.kind == "label") { label = d.value; } // optionalAttrs (d.kind == "uuid") { uuid = d.value; })
        // optionalAttrs (d.kind == "partuuid") { guid = d.value; };

      ordinary =
        if storeAt == null then
          throw "fileSystems: no file system on a disk holds /nix/store; give fileSystems.\"/\" a device such as /dev/disk/by-label/nixos"
        else
          optional (bios && !live) {
            name = "bios";
            type = "bios-boot";
            size = "1MiB";
          }
          ++ optionals (efi && all (p: p.type or "" != "esp") (map partition ordered)) [
            {
              name = "esp";
              type = "esp";
              filesystem = "fat";
              label = "ESP";
            }
          ]
          ++ map partition (filter (fs: rank fs < 8) ordered)
          ++ genList (i: swap i (elemAt swaps i)) (length swaps)
          ++ map partition (filter (fs: rank fs >= 8) ordered);

      # What a live system's file systems say of its medium.
      iso = named."/iso" or { };
      isoLabel = optionals (iso ? device && iso.device != null && (device iso.device).kind == "label") [ (device iso.device).value ];
      volume = config.isoImage.volumeID or (if isoLabel == [ ] then null else head isoLabel);
    in
    {
      inherit name arch;
      system = config.system.build.toplevel.outPath or "${config.system.build.toplevel}";
      disk = {
        table = "gpt";
        partitions =
          if live then
            [
              {
                name = "root";
                filesystem = "ext4";
                label = "nixos";
                contents.store = true;
              }
            ]
          else
            ordinary;
      };
      output = {
        inherit format;
      }
      // optionalAttrs live { store = "squashfs"; }
      // optionalAttrs (format == "iso" && volume != null) { inherit volume; };
    }
    // optionalAttrs (platforms != [ ]) {
      bootloader = {
        grub = { inherit platforms; };
        timeout = if (config.boot.loader.timeout or 5) == null then -1 else config.boot.loader.timeout or 5;
      };
    };
}
