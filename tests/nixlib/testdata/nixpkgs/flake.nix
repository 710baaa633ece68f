{
  description = "what ingot's flake takes of nixpkgs";
  outputs = { self }: {
    lib = import ./lib.nix // {
      # One round of a module system: what the check's module says.
      nixosSystem = { modules }: { config.system.build.images.ingot-qcow2 = { inherit modules; }; };
    };
    legacyPackages = import ./packages.nix;
  };
}
