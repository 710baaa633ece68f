mkdir -p $out/empty/empty $out/names
cd $out/names

file() { printf '%s' "$2" > "$(printf '%b' "$1")"; }

file 'not\377utf8'             'a byte that no UTF-8 holds'
file 'caf\303\251'             'NFC'
file 'cafe\314\201'            'NFD'
file 'Makefile'                'capital'
file 'makefile'                'small'
file 'new\nline'               'a newline within'
file 'quote"s and '"'"'s'      'quotes'
file 'back\\slash'             'a backslash'
file '\t tab and blanks '      'blanks at the end'
file './-rf'                   'an option'
file '*'                       'a pattern'
file '.hidden'                 'a dot'
file '...'                     'three dots'
file 'a=b:c;d%e'              'separators'
file '\001\033[31m'            'control characters'
file '~nix~case~hack~1'         'what Nix makes of names on a Mac'

long=$(printf '%253s' | tr ' ' n)
printf 'a name of 253 bytes' > $long
ln -s $long link-to-long
ln -s "$(printf '%4000s' | tr ' ' t)" long-target
ln -s /nonexistent/path dangling
ln -s "$(printf 'target with \377 and\nnewline')" odd-target

deep=$out/deep
for level in $(seq 40); do deep=$deep/level-$level; done
mkdir -p $deep
echo bottom > $deep/file

# Enough entries for a directory that is an index, and one of one.
mkdir $out/many $out/one
for i in $(seq 500); do : > $out/many/entry-$i; done
echo one > $out/one/one
