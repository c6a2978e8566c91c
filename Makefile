# SPDX-License-Identifier: GPL-2.0
# The map of the house: `make help`.  Everything built lands under build/.

BUILD   ?= build
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PROTOC  ?= protoc-c
PREFIX  ?= /usr/local

# Where `make arm64` differs: the machine built for, its libraries, and its kernel side.
MACHINE  := $(shell uname -m)
SYSROOT  :=
SIDE     := build
INCLUDES := -I.
MORE     :=

CFLAGS  ?= -O2 -g
CHECKS  := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
COMPILE := $(CC) -std=gnu11 $(CFLAGS) $(CHECKS) -D_GNU_SOURCE $(INCLUDES) -MMD -MP
COLLECT_LIBRARIES := -lbpf -lelf -lz -lseccomp -lcap-ng
SCREEN_LIBRARIES  := -lncursesw -ltinfo
# Not all of those who link these need all of them.
REPORT_LIBRARIES  := -Wl,--as-needed -ldw -lelf -llzma -liberty -ljansson -lprotobuf-c -lzstd \
	-lz -lm $(MORE)

BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(MACHINE)))
BPF_FLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -I. \
	-I$(SYSROOT)/usr/include/$(MACHINE)-linux-gnu -Wall -Wextra -Wno-unused-parameter -Werror

# The stations of the road that need neither root nor BPF; the unit tests link these alone.
PURE := base heap snapshot symbol model explain report view
PURE_SOURCES := $(filter-out user/view/screen.c, \
	$(foreach folder,$(PURE),$(wildcard user/$(folder)/*.c)))
PURE_OBJECTS := $(PURE_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/capture.pb-c.o \
	$(BUILD)/profile.pb-c.o
SOURCES := $(filter-out $(addprefix user/cli/,generate.c completion.c), \
	$(wildcard user/collect/*.c user/cli/*.c)) user/view/screen.c
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
GENERATED := $(SIDE)/memtrace.skel.h $(SIDE)/old.skel.h build/capture.pb-c.h \
	build/profile.pb-c.h

.PHONY: all help clean
all: $(BUILD)/memtrace $(BUILD)/memtrace.8 $(BUILD)/memtrace.bash ## build the program (default)

help: ## this map
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' \
		$(MAKEFILE_LIST)

# ---- the kernel side ----

# Twice: the verifiers of old kernels refuse what new ones are given (bpf/compat.bpf.h).
$(SIDE)/memtrace.bpf.o $(SIDE)/old.bpf.o: bpf/memtrace.bpf.c
$(SIDE)/old.bpf.o: BPF_FLAGS += -DMEMTRACE_OLD
build/tests/bench/empty.bpf.o: tests/bench/empty.bpf.c
$(SIDE)/memtrace.bpf.o $(SIDE)/old.bpf.o build/tests/bench/empty.bpf.o:
	@mkdir -p $(@D)
	$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

# The globals of the kernel side have types of abi.h.
build/%.skel.h: build/%.bpf.o
	echo '#include "bpf/abi.h"' > $@.new
	$(BPFTOOL) gen skeleton $< >> $@.new
	mv $@.new $@

# ---- the file format ----

build/capture.pb-c.c build/capture.pb-c.h &: user/snapshot/capture.proto
	@mkdir -p build
	$(PROTOC) --proto_path=$(<D) --c_out=build $<

build/profile.pb-c.c build/profile.pb-c.h &: user/report/profile.proto
	@mkdir -p build
	$(PROTOC) --proto_path=$(<D) --c_out=build $<

$(BUILD)/%.pb-c.o: build/%.pb-c.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) -I. -MMD -MP -c $< -o $@

# ---- the program ----

$(BUILD)/user/%.o: user/%.c | $(GENERATED)
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(BUILD)/memtrace: $(OBJECTS) $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COLLECT_LIBRARIES) $(SCREEN_LIBRARIES) \
		$(REPORT_LIBRARIES)

GENERATE_OBJECTS := $(addprefix $(BUILD)/user/cli/,generate.o completion.o options.o value.o)

$(BUILD)/generate: $(GENERATE_OBJECTS) $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(REPORT_LIBRARIES)

$(BUILD)/memtrace.8: man/memtrace.8.in $(BUILD)/generate
	$(BUILD)/generate manual > $@.options
	sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd}' $< > $@

$(BUILD)/memtrace.bash: $(BUILD)/generate
	$(BUILD)/generate completion > $@

# ---- for another machine ----

ARM64 := BUILD=build/arm64 SIDE=build/arm64/build INCLUDES="-Ibuild/arm64 -I." MACHINE=aarch64 \
	SYSROOT=build/arm64/sysroot LDFLAGS="-static -fuse-ld=lld" MORE="-lbz2 -llzma" \
	CC="$(CLANG) --target=aarch64-linux-gnu --sysroot=build/arm64/sysroot" \
	CHECKS="-Wall -Wno-gnu-variable-sized-type-not-at-end -Werror"

.PHONY: arm64 programs
arm64: build/arm64/sysroot/complete ## build/arm64/memtrace and its workloads, static; needs lld
	@$(MAKE) --no-print-directory $(ARM64) programs

build/arm64/sysroot/complete: packaging/sysroot packaging/packages
	rm -rf $(@D)
	packaging/sysroot arm64 $(@D)
	touch $@

# ---- installing ----

INSTALLED := bin/memtrace share/man/man8/memtrace.8 share/bash-completion/completions/memtrace

.PHONY: install uninstall
install: all ## install under PREFIX (/usr/local), below DESTDIR
	install -D -m 755 $(BUILD)/memtrace "$(DESTDIR)$(PREFIX)/$(word 1,$(INSTALLED))"
	install -D -m 644 $(BUILD)/memtrace.8 "$(DESTDIR)$(PREFIX)/$(word 2,$(INSTALLED))"
	install -D -m 644 $(BUILD)/memtrace.bash "$(DESTDIR)$(PREFIX)/$(word 3,$(INSTALLED))"

uninstall: ## remove what install put there
	rm -f $(foreach file,$(INSTALLED),"$(DESTDIR)$(PREFIX)/$(file)")

# ---- the two commands of the README ----

# make once more: what BPFTOOL and the like are is known when the packages are there.  The
# build belongs to whom the sources belong to, so that sudo now is no trap for make later: also
# after Ctrl-C, for which the shell waits until who is interrupted has put everything back.
AGAIN = $(MAKE) --no-print-directory -s -j$(shell nproc)
AS_ROOT = @test "$$(id -u)" = 0 || { echo "memtrace: BPF needs root: sudo make $@" >&2; exit 1; }
STAY = trap : INT TERM HUP
GIVE_BACK = status=$$?; chown -hR --reference=. build; exit $$status

.PHONY: demo check
demo: ## follow a Python program and explain what it did (needs root)
	$(AS_ROOT)
	@packaging/prepare demo
	@$(STAY); { $(AGAIN) all && demo/run; }; $(GIVE_BACK)

check: ## all tests (needs root)
	$(AS_ROOT)
	@packaging/prepare check
	@$(STAY); { $(AGAIN) tests && tests/run; }; $(GIVE_BACK)

# ---- tests ----

WORKLOADS := $(patsubst tests/workload/%.c,$(BUILD)/tests/workload/%, \
	$(filter-out tests/workload/workload.c,$(wildcard tests/workload/*.c)))

# Nothing but .eh_frame tells their frames.
$(BUILD)/tests/stacks/%: tests/stacks/%.c
	@mkdir -p $(@D)
	$(COMPILE) -O2 -fomit-frame-pointer -o $@ $< -pthread

$(BUILD)/tests/workload/%: tests/workload/%.c tests/workload/workload.c tests/workload/workload.h
	@mkdir -p $(@D)
	$(COMPILE) -MF $(BUILD)/tests/$*.d -o $@ tests/workload/workload.c $< \
		$(LDFLAGS) -pthread

# A program for each file of tests/unit, of the pure stations and the options: no libbpf.
UNITS := $(patsubst %.c,$(BUILD)/%,$(filter-out tests/unit/sample.c,$(wildcard tests/unit/*.c)))
UNIT_OBJECTS := $(BUILD)/tests/unit/sample.o \
	$(addprefix $(BUILD)/user/cli/,options.o value.o help.o completion.o) $(PURE_OBJECTS)

$(BUILD)/tests/%.o: tests/%.c | $(GENERATED)
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(UNITS): %: %.o $(UNIT_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka $(REPORT_LIBRARIES)

$(BUILD)/tests/golden/pack: %: %.o $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(REPORT_LIBRARIES)

# Programs that say what user/symbol/ reads in a file, to be held against what others read there.
SYMBOLS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/symbol/*.c))

$(SYMBOLS): %: %.o $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(REPORT_LIBRARIES)

# All but the commands, instrumented: libFuzzer looks for new ways through what is compiled here.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(filter-out tests/fuzz/check.c,$(wildcard tests/fuzz/*.c)))
FUZZ_OBJECTS := $(BUILD)/tests/fuzz/check.o $(BUILD)/user/cli/options.o $(BUILD)/user/cli/value.o \
	$(filter $(BUILD)/user/collect/%,$(OBJECTS)) $(PURE_OBJECTS)
FUZZ_FLAGS := -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all

$(FUZZERS:%=$(BUILD)/tests/fuzz/%): %: %.o $(FUZZ_OBJECTS)
	$(CC) $(CFLAGS) -fsanitize=fuzzer -o $@ $^ $(COLLECT_LIBRARIES) $(REPORT_LIBRARIES)

VERDICTS := $(patsubst %.c,$(BUILD)/%,$(wildcard tests/verdict/*.c))

$(VERDICTS): $(BUILD)/%: %.c
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $< -pthread

# What a guest of tests/kernels runs, too.
$(BUILD)/tests/kernels/verifier.so: tests/kernels/verifier.c
	@mkdir -p $(@D)
	$(COMPILE) -fPIC -shared -o $@ $<

# Frames of arm64 are signed where they can be; where names are bound late, a call may go by way
# of the dynamic linker.
SIGNED := $(if $(filter aarch64,$(MACHINE)),-mbranch-protection=standard)

$(BUILD)/tests/kernels/sites: tests/kernels/sites.c
	@mkdir -p $(@D)
	$(COMPILE) -O2 -fomit-frame-pointer $(SIGNED) -o $@ $< $(filter-out -static,$(LDFLAGS)) \
		-Wl,-z,lazy -pthread

# The same with frame pointers, and all in one file.
$(BUILD)/tests/kernels/framed: tests/kernels/sites.c
	@mkdir -p $(@D)
	$(COMPILE) -O2 -fno-omit-frame-pointer -o $@ $< $(LDFLAGS) -static -pthread

$(BUILD)/tests/kernels/verified: tests/kernels/verified.c
	@mkdir -p $(@D)
	$(COMPILE) -o $@ $< $(LDFLAGS)

.PHONY: tests workloads verdicts guests units units-asan golden-tools symbols fuzzers
.PHONY: lint unit asan golden fuzz
tests: guests verdicts units units-asan golden-tools symbols fuzzers ## build the tests, too
workloads: all $(WORKLOADS) $(BUILD)/tests/stacks/zoo $(BUILD)/tests/stacks/ranges \
	$(BUILD)/tests/stacks/family
verdicts: all $(VERDICTS)
guests: workloads $(addprefix $(BUILD)/tests/kernels/,verifier.so sites)
programs: $(BUILD)/memtrace $(WORKLOADS) $(addprefix $(BUILD)/tests/kernels/,sites framed verified)
units: $(UNITS)
symbols: $(SYMBOLS)
golden-tools: $(BUILD)/memtrace $(BUILD)/tests/golden/pack

fuzzers: golden-tools $(GENERATED)
	@$(MAKE) --no-print-directory BUILD=build/fuzz CC="$(CLANG)" \
		CFLAGS="$(FUZZ_FLAGS) -fsanitize=fuzzer-no-link" \
		CHECKS=-Wno-gnu-variable-sized-type-not-at-end $(FUZZERS:%=build/fuzz/tests/fuzz/%)

units-asan: $(GENERATED)
	@$(MAKE) --no-print-directory BUILD=build/asan CFLAGS="-O1 -g -fno-omit-frame-pointer \
		-fsanitize=address,undefined -fno-sanitize-recover=all" units

lint: ## the rules of the house, cppcheck, clang-tidy, mandoc
	@tests/run lint

unit: ## unit tests
	@tests/run unit

asan: ## unit tests with AddressSanitizer, UndefinedBehaviorSanitizer, leaks
	@tests/run asan

golden: ## reports of captures made by hand; tests/golden/update rewrites them
	@tests/run golden

SECONDS_EACH ?= 60
fuzz: fuzzers ## look for hostile input that breaks something; SECONDS_EACH=1800 for a long time
	tests/fuzz/run $(SECONDS_EACH)

STORM_SECONDS ?= 600
.PHONY: storm
storm: ## ten minutes of births and memory stressors under -a (needs root)
	$(AS_ROOT)
	@packaging/prepare check
	@$(STAY); { $(AGAIN) workloads && tests/e2e/storm.py $(STORM_SECONDS); }; $(GIVE_BACK)

.PHONY: kernels
kernels: ## all kernels of tests/kernels/list under QEMU; MEMTRACE_KERNELS="6.1 6.12": some
	$(AS_ROOT)
	@packaging/prepare kernels
	@$(STAY); { $(AGAIN) guests arm64 && \
		MEMTRACE_KERNELS="$${MEMTRACE_KERNELS:-all}" tests/run kernels; }; $(GIVE_BACK)

# ---- benchmarks ----

BENCHES := $(patsubst %.c,$(BUILD)/%,$(filter-out %.bpf.c,$(wildcard tests/bench/*.c)))

$(BUILD)/tests/bench/empty.o: build/tests/bench/empty.skel.h

$(BUILD)/tests/bench/verdict $(BUILD)/tests/bench/tables: $(PURE_OBJECTS)

$(BENCHES): %: %.o
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lbpf $(REPORT_LIBRARIES)

.PHONY: bench benches
benches: all $(BENCHES)

bench: ## what it costs, as tables of the README (needs root); ROUNDS=1 for a quick look
	$(AS_ROOT)
	@packaging/prepare bench
	@$(STAY); { $(AGAIN) benches && tests/bench/run $(ROUNDS); }; $(GIVE_BACK)

clean: ## remove everything built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' -type f 2>/dev/null)
