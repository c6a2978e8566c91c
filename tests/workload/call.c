// SPDX-License-Identifier: GPL-2.0
/* Memory that the kernel touches in a call: with a fault of its own, or without one. */
#include "tests/workload/workload.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

static void unmap(char *at, size_t pages)
{
	must(munmap(at, pages * PAGE) == 0, "munmap");
}

/* So many mappings, made and unmapped again, of so many pages each; this much was resident. */
static void expect_mappings(int64_t count, int64_t pages, int64_t resident)
{
	int64_t bytes = count * pages * (int64_t)PAGE;

	expect_calls("mmap", count, bytes);
	expect("mmap", "virtual_bytes", bytes);
	expect_calls("munmap", count, bytes);
	expect("munmap", "virtual_bytes", -bytes);
	expect("munmap", "anon_bytes", -resident * (int64_t)PAGE);
}

/* Each call that fills memory has a row of its own. */
static void fill(bool counted)
{
	struct iovec parts[2];
	int zero = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char *at = map_anonymous(97 * PAGE);

	(void)counted;
	must(zero >= 0, "/dev/zero");
	must(read(zero, at, 23 * PAGE) == 23 * PAGE, "read");
	parts[0] = (struct iovec){ at + 29 * PAGE, 13 * PAGE };
	parts[1] = (struct iovec){ at + 53 * PAGE, 5 * PAGE };
	must(readv(zero, parts, 2) == 18 * PAGE, "readv");
	must(pread(zero, at + 61 * PAGE, 11 * PAGE, 0) == 11 * PAGE, "pread");
	must(syscall(SYS_getcwd, at + 73 * PAGE, PAGE) > 0, "getcwd");
	must(getrandom(at + 79 * PAGE, 7 * PAGE, 0) == 7 * PAGE, "getrandom");
	touch(at, 23 * PAGE);
	unmap(at, 97);
	close(zero);
	expect_faults("fault.kernel read", 23);
	expect_faults("fault.kernel readv", 13 + 5);
	expect_faults("fault.kernel pread64", 11);
	expect_faults("fault.kernel getcwd", 1);
	expect_faults("fault.kernel getrandom", 7);
	expect_mappings(1, 97, 23 + 18 + 11 + 1 + 7);
}

/* From a pipe and a socket, 31 times. */
static void receive(bool counted)
{
	static char block[3 * PAGE];
	int pipes[2], sockets[2];

	(void)counted;
	must(pipe(pipes) == 0, "pipe");
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) == 0, "socketpair");
	for (int i = 0; i < 31; i++) {
		char *at = map_anonymous(7 * PAGE);

		must(write(pipes[1], block, 3 * PAGE) == 3 * PAGE, "write");
		must(read(pipes[0], at, 3 * PAGE) == 3 * PAGE, "read");
		must(send(sockets[1], block, 2 * PAGE, 0) == 2 * PAGE, "send");
		must(recv(sockets[0], at + 5 * PAGE, 2 * PAGE, MSG_WAITALL) == 2 * PAGE, "recv");
		unmap(at, 7);
	}
	for (int i = 0; i < 2; i++) {
		close(pipes[i]);
		close(sockets[i]);
	}
	expect_faults("fault.kernel read", 31 * 3);
	expect_faults("fault.kernel recvfrom", 31 * 2);
	expect_mappings(31, 7, 31 * 5);
}

/* Written out without ever having been written to: zeroes, which take nothing. */
static void send_zeroes(bool counted)
{
	static char block[11 * PAGE];
	char *at = map_anonymous(11 * PAGE);
	int pipes[2];

	(void)counted;
	must(pipe(pipes) == 0, "pipe");
	must(write(pipes[1], at, 11 * PAGE) == 11 * PAGE, "write");
	must(read(pipes[0], block, 11 * PAGE) == 11 * PAGE, "read");
	touch(at, 5 * PAGE);
	close(pipes[0]);
	close(pipes[1]);
	unmap(at, 11);
	expect_count("fault.kernel write", 11);
	expect_faults("fault", 5);
	expect_mappings(1, 11, 5);
}

/* A fault that failed (EFAULT) is not the cause of what comes after it. */
static void bad_address(bool counted)
{
	char *none = map_anonymous(PAGE);
	int pipes[2];

	(void)counted;
	must(mprotect(none, PAGE, PROT_NONE) == 0, "mprotect");
	must(pipe(pipes) == 0, "pipe");
	for (int i = 0; i < 101; i++) {
		char *at;

		must(write(pipes[1], none, 16) == -1 && errno == EFAULT, "EFAULT");
		at = map_anonymous(8 * PAGE);
		must(madvise(at, 8 * PAGE, MADV_POPULATE_WRITE) == 0, "madvise");
		must(write(pipes[1], none, 16) == -1 && errno == EFAULT, "EFAULT");
		unmap(at, 8);
	}
	close(pipes[0]);
	close(pipes[1]);
	unmap(none, 1);
	expect_any("fault.kernel write", "count"); /* it may be tried in several ways */
	expect_other_faults();
	expect_calls("madvise.populate", 101, 101 * 8 * PAGE);
	expect("madvise.populate", "anon_bytes", 101 * 8 * PAGE);
	expect_calls("mmap", 1, PAGE);
	expect("mmap", "virtual_bytes", PAGE);
	expect_calls("munmap", 1, PAGE);
	expect("munmap", "virtual_bytes", -(int64_t)PAGE);
	expect_mappings(101, 8, 101 * 8);
}

/* The device writes into the pages, which are there before it does: no fault at all. */
static void direct(bool counted)
{
	int fd = open_file(23 * PAGE);

	(void)counted;
	must(fsync(fd) == 0 && fcntl(fd, F_SETFL, O_DIRECT) == 0, "O_DIRECT");
	for (int i = 0; i < 7; i++) {
		char *at = map_anonymous(29 * PAGE);

		must(lseek(fd, 0, SEEK_SET) == 0, "lseek");
		must(read(fd, at, 23 * PAGE) == 23 * PAGE, "read");
		touch(at, 23 * PAGE);
		unmap(at, 29);
	}
	close(fd);
	expect_count("gup read", 7);
	expect("gup read", "anon_bytes", 7 * 23 * PAGE);
	expect_mappings(7, 29, 7 * 23);
}

/* A process that writes to itself the way a debugger would. */
static void poke_self(bool counted)
{
	static char block[5 * PAGE];
	char *at = map_anonymous(41 * PAGE);
	int memory = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	struct iovec from = { block, 5 * PAGE }, to = { at + 31 * PAGE, 5 * PAGE };

	(void)counted;
	must(memory >= 0, "/proc/self/mem");
	for (int i = 0; i < 3; i++)
		must(pwrite(memory, block, 3 * PAGE, (off_t)(uintptr_t)at + i * 7 * PAGE) ==
		     3 * PAGE, "pwrite");
	must(process_vm_writev(getpid(), &from, 1, &to, 1, 0) == 5 * PAGE, "process_vm_writev");
	close(memory);
	unmap(at, 41);
	expect_count("gup pwrite64", 3);
	expect("gup pwrite64", "anon_bytes", 9 * PAGE);
	expect_count("gup process_vm_writev", 1);
	expect("gup process_vm_writev", "anon_bytes", 5 * PAGE);
	expect_mappings(1, 41, 9 + 5);
}

/* Pages put into place by a call about faults, before there was one. */
static void userfault(bool counted)
{
	static char block[17 * PAGE];
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct uffdio_copy copy = { .src = (uintptr_t)block, .len = sizeof(block) };
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	char *at = map_anonymous(31 * PAGE);

	(void)counted;
	touch(block, sizeof(block));
	range.range.start = (uintptr_t)at;
	range.range.len = 31 * PAGE;
	copy.dst = (uintptr_t)at + 3 * PAGE;
	must(fd >= 0 && ioctl(fd, UFFDIO_API, &api) == 0 &&
	     ioctl(fd, UFFDIO_REGISTER, &range) == 0 && ioctl(fd, UFFDIO_COPY, &copy) == 0,
	     "userfaultfd");
	touch(at + 3 * PAGE, 17 * PAGE);
	close(fd);
	unmap(at, 31);
	expect_count("gup ioctl", 1);
	expect("gup ioctl", "anon_bytes", 17 * PAGE);
	expect_mappings(1, 31, 17);
}

static void take_signal(int number)
{
	(void)number;
}

/* The kernel writes the frame of a signal onto a stack that was never used. */
static void signal_frame(bool counted)
{
	struct sigaction action = { .sa_handler = take_signal, .sa_flags = SA_ONSTACK };
	int64_t faults = faults_of_self();

	(void)counted;
	must(sigaction(SIGUSR1, &action, NULL) == 0, "sigaction");
	for (int i = 0; i < 13; i++) {
		stack_t alternate = { .ss_sp = map_anonymous(64 * KIB), .ss_size = 64 * KIB };

		must(sigaltstack(&alternate, NULL) == 0, "sigaltstack");
		must(kill(getpid(), SIGUSR1) == 0, "kill");
		unmap(alternate.ss_sp, 16);
	}
	faults = faults_of_self() - faults;
	must(faults >= 13, "13 faults");
	expect_all_faults(faults);
	expect("fault+fault.kernel", "anon_bytes", faults * PAGE);
	expect_any("fault.kernel", "count"); /* in kill, which arm64 has forgotten by then */
	expect_any("fault.kernel", "anon_bytes");
	expect_any("fault", "count");
	expect_any("fault", "anon_bytes");
	expect_mappings(13, 16, faults);
}

const struct workload workloads[] = {
	{ .name = "fill", .run = fill },
	{ .name = "receive", .run = receive },
	{ .name = "send-zeroes", .run = send_zeroes },
	{ .name = "bad-address", .run = bad_address },
	{ .name = "direct", .run = direct, .needs = "disk" },
	{ .name = "poke-self", .run = poke_self },
	{ .name = "userfault", .run = userfault, .needs = "userfaultfd" },
	{ .name = "signal-frame", .run = signal_frame },
};

const size_t workload_count = sizeof(workloads) / sizeof(workloads[0]);
