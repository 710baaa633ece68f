# The package ingot: one static program, which is also the init of its guests. For callPackage.
{
  lib,
  stdenv,
  buildGoModule,
  go,
  glibc,
}:

let
  # The Makefile has the same tags and flags, with their reasons; a test compares them.
  tags = [
    "osusergo"
    "netgo"
    "sqlite_omit_load_extension"
  ];

  # The oldest Go that go.mod admits. Nix builds have no network to fetch another one.
  goNeeded = find "go ([0-9.]+)" ../go.mod;

  # find returns what is in the parentheses of an expression, in the first line that it matches.
  find =
    expression: file:
    let
      lines = lib.splitString "\n" (builtins.readFile file);
    in
    builtins.head (builtins.head (builtins.filter (m: m != null) (map (builtins.match expression) lines)));

  # Only what the Go command reads, so that a change of a document does not rebuild the program.
  folders = [
    "bootloader"
    "cmd"
    "guest"
    "image"
    "inspect"
    "internal"
    "lab"
    "lint"
    "partition"
    "recipes"
    "storedb"
    "tests"
    "vm"
  ];
  top = toString ../.;
  isSource =
    path: type:
    let
      relative = lib.removePrefix (top + "/") (toString path);
      first = builtins.head (lib.splitString "/" relative);
    in
    builtins.elem relative [
      "LICENSE"
      "go.mod"
      "go.sum"
    ]
    || builtins.elem first folders && (type == "directory" || first != relative);
in
lib.throwIf (lib.versionOlder go.version goNeeded)
  "ingot needs Go ${goNeeded} or later, and this nixpkgs has ${go.version}: take a newer nixpkgs, or pass another go and buildGoModule"

  (buildGoModule {
    pname = "ingot";
    version = find "const Version = \"([0-9.]+)\"" ../recipes/doc.go;
    src = builtins.path {
      name = "ingot-source";
      path = ../.;
      filter = isSource;
    };

    # The NAR hash of what `go mod vendor` writes. After a change of go.mod:
    # go test ./tests/nixlib -run TestVendorHash -update
    vendorHash = "sha256-tjwtZmbO0YUiF6iFc+THNK1y9K8EEHPnuEsB32/+VR8=";

    subPackages = [ "cmd/ingot" ];
    inherit tags;

    # SQLite is in C; the program has to be static, as the guests have no libc.
    buildInputs = lib.optional stdenv.hostPlatform.isGnu (lib.getOutput "static" glibc);
    ldflags = [
      "-s"
      "-w"
      "-linkmode external"
      "-extldflags -static"
    ];
    # The tests want QEMU, Nix and a Debian: .ci/run runs them.
    doCheck = false;

    # A program that needed a library would fail where it is used, in a guest.
    doInstallCheck = true;
    installCheckPhase = ''
      runHook preInstallCheck
      if [ -n "$(patchelf --print-interpreter $out/bin/ingot 2>/dev/null)" ]; then
        echo "$out/bin/ingot is not static" >&2
        exit 1
      fi
      runHook postInstallCheck
    '';

    postInstall = lib.optionalString (stdenv.buildPlatform.canExecute stdenv.hostPlatform) ''
      mkdir -p $out/share/bash-completion/completions $out/share/fish/vendor_completions.d $out/share/zsh/site-functions
      $out/bin/ingot completion bash > $out/share/bash-completion/completions/ingot
      $out/bin/ingot completion fish > $out/share/fish/vendor_completions.d/ingot.fish
      $out/bin/ingot completion zsh > $out/share/zsh/site-functions/_ingot
    '';

    meta = {
      description = "Makes bootable disks and ISOs of Nix and Guix store closures, without root or a virtual machine";
      license = lib.licenses.asl20;
      mainProgram = "ingot";
      platforms = [
        "x86_64-linux"
        "aarch64-linux"
      ];
    };
  })
