package closed

// #define _GNU_SOURCE
// #include <errno.h>
// #include <fcntl.h>
//
// __attribute__((constructor)) static void keep_closed(void) {
//     for (int fd = 0; fd <= 2; fd++) {
//         // The lowest number that is free is this one: those below are open by now.
//         if (fcntl(fd, F_GETFD) == -1 && errno == EBADF && open("/dev/null", O_PATH) != fd)
//             return;
//     }
// }
import "C"
