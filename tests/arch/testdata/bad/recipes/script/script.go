package script

import _ "bad/vm"
