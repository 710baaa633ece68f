package guest

import _ "bad/vm"
