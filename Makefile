# SPDX-License-Identifier: GPL-2.0
# The map of the house: `make help`.  Everything built lands under build/.

BUILD   ?= build
CLANG   ?= clang
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
PROTOC  ?= protoc-c
PREFIX  ?= /usr/local

CFLAGS  ?= -O2 -g
CHECKS  := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Werror
COMPILE := $(CC) -std=gnu11 $(CFLAGS) $(CHECKS) -D_GNU_SOURCE -I. -MMD -MP
COLLECT_LIBRARIES := -lbpf -lelf -lz -lseccomp -lcap-ng
REPORT_LIBRARIES  := -ljansson -lprotobuf-c -lzstd -lm

BPF_ARCH := $(patsubst x86_64,x86,$(patsubst aarch64,arm64,$(shell uname -m)))
BPF_FLAGS := -g -O2 -target bpf -mcpu=v3 -D__TARGET_ARCH_$(BPF_ARCH) -I. \
	-I/usr/include/$(shell uname -m)-linux-gnu -Wall -Wextra -Wno-unused-parameter -Werror

# The stations of the road that need neither root nor BPF; the unit tests link these alone.
PURE := base snapshot model report
PURE_SOURCES := $(foreach folder,$(PURE),$(wildcard user/$(folder)/*.c))
PURE_OBJECTS := $(PURE_SOURCES:%.c=$(BUILD)/%.o) $(BUILD)/capture.pb-c.o
SOURCES := $(filter-out user/cli/generate.c,$(wildcard user/collect/*.c user/cli/*.c))
OBJECTS := $(SOURCES:%.c=$(BUILD)/%.o)
GENERATED := build/memtrace.skel.h build/capture.pb-c.h

.PHONY: all help clean
all: $(BUILD)/memtrace $(BUILD)/memtrace.8 $(BUILD)/memtrace.bash ## build the program (default)

help: ## this map
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- the kernel side ----

build/memtrace.bpf.o: bpf/memtrace.bpf.c
	@mkdir -p $(@D)
	$(CLANG) $(BPF_FLAGS) -MMD -MP -c $< -o $@

# The globals of the kernel side have types of abi.h.
build/memtrace.skel.h: build/memtrace.bpf.o
	echo '#include "bpf/abi.h"' > $@.new
	$(BPFTOOL) gen skeleton $< name memtrace_bpf >> $@.new
	mv $@.new $@

# ---- the file format ----

build/capture.pb-c.c build/capture.pb-c.h &: user/snapshot/capture.proto
	@mkdir -p build
	$(PROTOC) --proto_path=user/snapshot --c_out=build $<

$(BUILD)/capture.pb-c.o: build/capture.pb-c.c
	@mkdir -p $(@D)
	$(CC) -std=gnu11 $(CFLAGS) -I. -MMD -MP -c $< -o $@

# ---- the program ----

$(BUILD)/user/%.o: user/%.c | $(GENERATED)
	@mkdir -p $(@D)
	$(COMPILE) -c $< -o $@

$(BUILD)/memtrace: $(OBJECTS) $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(COLLECT_LIBRARIES) $(REPORT_LIBRARIES)

GENERATE_OBJECTS := $(BUILD)/user/cli/generate.o $(BUILD)/user/cli/options.o

$(BUILD)/generate: $(GENERATE_OBJECTS) $(PURE_OBJECTS)
	$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(REPORT_LIBRARIES)

$(BUILD)/memtrace.8: man/memtrace.8.in $(BUILD)/generate
	$(BUILD)/generate manual > $@.options
	sed -e '/^@OPTIONS@$$/{r $@.options' -e 'd}' $< > $@

$(BUILD)/memtrace.bash: $(BUILD)/generate
	$(BUILD)/generate completion > $@

clean: ## remove everything built
	rm -rf build

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
