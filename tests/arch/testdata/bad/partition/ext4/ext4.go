package ext4

import _ "bad/partition/fat"
