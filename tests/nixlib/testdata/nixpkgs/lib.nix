# As much of nixpkgs' lib as ingot's flake, module and package call. Priorities are for nixpkgs.
let
  merge = a: b: if builtins.isAttrs a && builtins.isAttrs b then a // builtins.mapAttrs (n: v: if a ? ${n} then merge a.${n} v else v) b else b;
in
{
  genAttrs = names: f: builtins.listToAttrs (map (name: { inherit name; value = f name; }) names);
  mapAttrs = builtins.mapAttrs;
  mkOption = option: option;
  literalExpression = text: { inherit text; };
  mkDefault = v: v;
  mkImageMediaOverride = v: v;
  mkIf = condition: v: if condition then v else { };
  mkMerge = builtins.foldl' merge { };
  optional = condition: v: if condition then [ v ] else [ ];
  optionalAttrs = condition: v: if condition then v else { };
  optionalString = condition: v: if condition then v else "";
  removePrefix = prefix: s: builtins.substring (builtins.stringLength prefix) (-1) s;
  splitString = separator: s: builtins.filter builtins.isString (builtins.split separator s);
  versionOlder = a: b: builtins.compareVersions a b == -1;
  throwIf = condition: message: v: if condition then throw message else v;
  getOutput = output: package: package.${output};
  licenses.asl20 = "Apache-2.0";
  types = {
    attrs = "attribute set";
    str = "string";
    bool = "boolean";
    package = "package";
    nullOr = t: "null or ${t}";
  };
}
