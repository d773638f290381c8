/*
 * Stands before a process's fsync and fdatasync, and does to them what a file says: JEPSEN_FSYNC names it.
 *
 *   ok        nothing
 *   error     fails with EIO, and syncs nothing
 *   lie       succeeds, and syncs nothing
 *   slow N    waits N milliseconds, and syncs
 *
 * Whenever it did something, it adds a byte to the file whose name is that one and `.done`, so that who wrote the first file can
 * tell whether anybody was met.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void note(const char *control)
{
	char done[4096];
	if (snprintf(done, sizeof done, "%s.done", control) >= (int)sizeof done)
		return;
	int file = open(done, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (file < 0)
		return;
	/* Whether it could be noted or not, the fault has happened. */
	ssize_t ignored = write(file, ".", 1);
	(void)ignored;
	close(file);
}

/* What is to be done now: the words of the control file, or nothing. */
static void told(const char *control, char *words, size_t size)
{
	words[0] = 0;
	int file = open(control, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return;
	ssize_t length = read(file, words, size - 1);
	words[length > 0 ? length : 0] = 0;
	close(file);
}

static int sync_or_not(long call, int fd)
{
	const char *control = getenv("JEPSEN_FSYNC");
	char words[64];
	if (control) {
		told(control, words, sizeof words);
		if (!strncmp(words, "error", 5)) {
			note(control);
			errno = EIO;
			return -1;
		}
		if (!strncmp(words, "lie", 3)) {
			note(control);
			return 0;
		}
		if (!strncmp(words, "slow ", 5)) {
			long ms = atol(words + 5);
			struct timespec pause = { ms / 1000, ms % 1000 * 1000000 };
			note(control);
			nanosleep(&pause, NULL);
		}
	}
	return (int)syscall(call, fd);
}

int fsync(int fd)
{
	return sync_or_not(SYS_fsync, fd);
}

int fdatasync(int fd)
{
	return sync_or_not(SYS_fdatasync, fd);
}
