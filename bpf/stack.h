/* SPDX-License-Identifier: GPL-2.0 */
/* What of stacks do both sides read?  The second page of abi.h. */
#ifndef MEMTRACE_BPF_STACK_H
#define MEMTRACE_BPF_STACK_H

#include "bpf/abi.h"

#define MT_RING_STACKS (1 << 23) /* bytes of the ring buffer, where stacks go through it */
#define MT_FRAMES 128
#define MT_FILES 1024	   /* files with code; a power of two */
#define MT_EXECS 128	   /* mappings of code in a process; a power of two */
#define MT_LEAF_ROWS 1024  /* rows of user/symbol/cfi.h in a leaf */
#define MT_LEAVES 2048	   /* of a file */
#define MT_FAR 32	   /* offsets of user/symbol/cfi.h; a power of two */
#define MT_SEGMENTS 4	   /* of code, in a file */
#define MT_VDSO 0	   /* number of the code that the kernel gives to each process */
#define MT_SITES 16384
#define MT_STACKS 16384
#define MT_SHADOW_PAGES 64 /* in an entry of the shadow */
#define MT_SHADOWS (1 << 20)
#define MT_GROUPS (1 << 16) /* of 64 entries, or of 64 groups */
#define MT_TOUCHED 0xffffffff /* for a stack: the page was given back, its place not */
#define MT_NO_FILE 0xffff  /* code that no file holds */
#define MT_NO_ADDRESS 0x7fffffffffffffffULL /* above all, also where differences are compared */

/* A table of rows: leaf 0 is the root, the first pc of each of the others. */
struct mt_leaf {
	union {
		__u32 pc[MT_LEAVES];
		__u64 row[MT_LEAF_ROWS];
	};
};
_Static_assert(sizeof(struct mt_leaf) == 8192, "mt_leaf");

/* Where code lies in a file, and at what address it is linked. */
struct mt_segment {
	__u64 offset;
	__u64 shift; /* address less offset */
};
_Static_assert(sizeof(struct mt_segment) == 16, "mt_segment");

struct mt_file {
	__u32 known; /* the rest is filled in */
	__u32 leaves;
	__u64 base; /* of the table: address in the file that pc counts from */
	__u64 far[MT_FAR];
	struct mt_segment segment[MT_SEGMENTS]; /* by offset; those not in use have the highest */
};
_Static_assert(sizeof(struct mt_file) == 16 + 8 * MT_FAR + 16 * MT_SEGMENTS, "mt_file");

/* As the kernel and /proc/PID/maps have them: not always what stat() says. */
struct mt_file_key {
	__u64 inode;
	__u32 device;
	__u32 unused;
};
_Static_assert(sizeof(struct mt_file_key) == 16, "mt_file_key");

/* Code of a file in a process, in the order of addresses. */
struct mt_exec {
	__u64 start, end;
	__u64 offset; /* in the file, of its start */
	__u32 file;
	__u32 unused;
};
_Static_assert(sizeof(struct mt_exec) == 32, "mt_exec");

struct mt_execs {
	__u32 count;
	__u32 missed; /* mappings that found no room, or came while another one was put in */
	__u32 busy;
	__u32 changes;
	/* Those not in use have the highest address.  The second half never is: the verifier does
	 * not see that what is moved up by one does not reach there. */
	struct mt_exec at[2 * MT_EXECS];
};
_Static_assert(sizeof(struct mt_execs) == 16 + 64 * MT_EXECS, "mt_execs");

struct mt_moved {
	struct mt_exec at[MT_EXECS];
};
_Static_assert(sizeof(struct mt_moved) == 32ul * MT_EXECS, "mt_moved");

/* mt_config.stacks */
enum mt_stacks {
	MT_STACKS_NONE,
	MT_STACKS_NATIVE,
	MT_STACKS_PYTHON, /* native ones too */
};

enum mt_stack_end {
	MT_STACK_WHOLE,	    /* down to where nobody called */
	MT_STACK_LONG,	    /* more than MT_FRAMES */
	MT_STACK_NO_FILE,   /* code of no known file */
	MT_STACK_NO_ROW,    /* code that nothing describes */
	MT_STACK_UNKNOWN,   /* described by what no row can hold */
	MT_STACK_UNREAD,    /* memory that is not there */
	MT_STACK_BACKWARDS, /* a caller below its callee */
	MT_STACK_PYTHON,    /* callers in Python that could not be read */
	MT_STACK_NO_TABLE,  /* code whose table is not made yet */
};

/* Of a space; what has no stack is not counted here. */
struct mt_site_key {
	__u32 serial; /* of the space */
	__u32 stack;
};
_Static_assert(sizeof(struct mt_site_key) == 8, "mt_site_key");

struct mt_site {
	__s64 touched_pages;
	__s64 resident_pages;
	__s64 released_pages[MT_OPERATIONS];
	__s64 gave_back_pages[MT_OP_CALLS]; /* whoever touched them */
};
_Static_assert(sizeof(struct mt_site) == 16 + 8 * MT_OPERATIONS + 8 * MT_OP_CALLS, "mt_site");

/* Pages that a CPU gathers, touched and resident, before it looks for their site: how many, below
 * the stack and, in the upper half, the serial of the space. */
#define MT_GATHERED_MOST 255
#define MT_GATHERED_SHIFT 8

/*
 * Which stack touched each page of a chunk, 0: none that is known.  Of groups of 64 chunks (level
 * 1) and groups of 64 such groups (level 2) there are those that have any, so that what was
 * never touched is passed over fast.
 */
struct mt_shadow_key {
	__u32 serial;
	__u32 level;
	__u64 chunk;
};
_Static_assert(sizeof(struct mt_shadow_key) == 16, "mt_shadow_key");

struct mt_shadow {
	__u32 stack[MT_SHADOW_PAGES];
};
_Static_assert(sizeof(struct mt_shadow) == 4ul * MT_SHADOW_PAGES, "mt_shadow");

/* What happened to a range of addresses. */
enum mt_range {
	MT_RANGE_ANON, /* made: private, of no file */
	MT_RANGE_FILE,
	MT_RANGE_SHARED,
	MT_RANGE_COPIED, /* made: as the one that begins at `from` */
	MT_RANGE_GROWN,	 /* made: as the one that ends where it begins */
	MT_RANGE_MOVED,
	MT_RANGE_GONE,
	MT_RANGE_DETACHED, /* of what was made at once; its end is not known */
};

/* A call reserved address space, or gave it back. */
struct mt_event_range {
	__u32 kind;
	__u32 what; /* enum mt_range */
	__u32 serial;
	__u32 stack;
	__u64 start, end;
	__u64 from; /* what goes has here how many of its pages had been touched */
	__u64 unused[2]; /* no event is smaller than struct mt_event */
};
_Static_assert(sizeof(struct mt_event_range) == sizeof(struct mt_event), "mt_event_range");

/* A stack that was not seen before: file << 48 | address in the file, the innermost first. */
struct mt_event_stack {
	struct mt_event event; /* value: its number; the process that it was seen in */
	__u32 count;
	__u32 end;
	__u64 frame[MT_FRAMES];
};
_Static_assert(sizeof(struct mt_event_stack) == sizeof(struct mt_event) + 8 + 8ul * MT_FRAMES,
	       "mt_event_stack");

/*
 * A stack with code in it whose table is not there yet: what it can be walked by later.  Of the
 * words above the stack pointer those that point into code or to the stack; of the others nothing
 * depends.
 */
#define MT_PIECE_BYTES 131072 /* of a stack; a power of two */
#define MT_PIECE_WORDS 2048  /* of them; a power of two */
#define MT_PIECE_SHIFT 48    /* a word's place, in words from the stack pointer, is above it */

struct mt_event_piece {
	struct mt_event event; /* value: the stack's number */
	__u32 slot, serial;    /* of the space */
	__u64 ip, sp, bp, bx, r11;
	__u64 count;
	__u64 word[MT_PIECE_WORDS];
};
_Static_assert(sizeof(struct mt_event_piece) == sizeof(struct mt_event) + 56 + 8ul * MT_PIECE_WORDS,
	       "mt_event_piece");

/* Code that was not seen before: its table is to be made. */
struct mt_event_code {
	struct mt_event event; /* value: its number */
	__u64 start, end;      /* where that process has it */
};
_Static_assert(sizeof(struct mt_event_code) == sizeof(struct mt_event) + 16, "mt_event_code");
/* ---- Python ---- */

/* In the place of a file: a frame of Python is the number of its code, and below that
 * MT_PYTHON_ENTRY and the instruction, counted from 1; 0: it has not begun. */
#define MT_PYTHON 0xfffe
#define MT_PYTHON_CODE_SHIFT 24
#define MT_PYTHON_ENTRY (1 << 23)     /* the evaluation loop was entered for it */
#define MT_PYTHON_NATIVE_FRAMES 96    /* of MT_FRAMES, so that Python's find room */
#define MT_PYTHON_CODES (1 << 16)
#define MT_PYTHON_LINES 1024	      /* bytes of a line table sent at once, ... */
#define MT_PYTHON_PIECES 64	      /* ... so many times */
#define MT_PYTHON_NO_OFFSET 0xffff

/* Where an interpreter keeps what: addresses in its file, and offsets in its structures. */
struct mt_python {
	__u64 code_type;  /* of code objects */
	__u64 thread_key; /* which key leads to the state of a thread */
	__u16 minor;	  /* of its version, 0: not an interpreter */
	__u16 frame, current; /* the frame is in the state, or in what is in the state */
	__u16 frame_bytes, code, previous, instruction, owner, entry;
	__u16 file_name, name, first_line, lines, instructions; /* of a code object */
	__u16 text; /* bytes before an ASCII text */
	__u16 object; /* bytes that each object begins with, the last of them its type */
	__u16 copies, copy_index; /* of instructions: of a code object, and which; 0: none */
	__u16 state_shift;	  /* bits by which the state of a text lies further up */
	__u16 unused;
};
_Static_assert(sizeof(struct mt_python) == 56, "mt_python");

struct mt_python_key {
	__u64 code;
	__u64 identity; /* another object may come to lie there */
	__u32 serial;
	__u32 unused;
};
_Static_assert(sizeof(struct mt_python_key) == 24, "mt_python_key");

struct mt_python_text {
	__u32 count; /* characters */
	__u16 state; /* bits of struct PyASCIIObject */
	__u8 bytes[506];
};
_Static_assert(sizeof(struct mt_python_text) == 512, "mt_python_text");

/* A code object that was not seen before; pieces of its line table follow. */
struct mt_event_python {
	struct mt_event event; /* value: its number */
	__u32 first_line;
	__u16 minor;
	__u16 unused;
	struct mt_python_text file, name;
};
_Static_assert(sizeof(struct mt_event_python) == sizeof(struct mt_event) + 8 + 2ul * 512,
	       "mt_event_python");

struct mt_event_lines {
	struct mt_event event; /* value: number of the code */
	__u32 offset, count;
	__u8 bytes[MT_PYTHON_LINES];
};
_Static_assert(sizeof(struct mt_event_lines) == sizeof(struct mt_event) + 8 + MT_PYTHON_LINES,
	       "mt_event_lines");

/* Memory of a walk, one for each CPU. */
#define MT_WINDOW 2048

struct mt_python_walk {
	struct mt_python layout;
	__u64 bias; /* of the interpreter */
	__u64 at;   /* the frame, 0: no more */
	__u32 serial;
	__u32 interpreter; /* number of its file, 0: none is on the stack */
	__u32 passing;	   /* code that is not told apart by what is kept of it */
	__u32 unused;
	__u8 frame[128], code[256];
};
_Static_assert(sizeof(struct mt_python_walk) == 88 + 128 + 256, "mt_python_walk");

/* What walks on a CPU have found: a stack whose words are the same is the same. */
#define MT_KEPT 32	   /* stacks, in two halves of 16 */
#define MT_KEPT_WORDS 128  /* of a stack; a power of two */
#define MT_SPAN 8192	   /* bytes from the stack pointer to the last of them; a power of two */
#define MT_NEEDS_BP 1
#define MT_NEEDS_BX 2

struct mt_words {
	__u32 count;
	__u32 needs; /* registers that a frame was found by, besides ip and sp */
	__u32 span;  /* bytes */
	__u32 unused;
	__u64 value[MT_KEPT_WORDS];
	__u16 at[MT_KEPT_WORDS]; /* in bytes from the stack pointer */
};
_Static_assert(sizeof(struct mt_words) == 16 + 10 * MT_KEPT_WORDS, "mt_words");

/* What a frame of Python depended on: words of it, and of its code object. */
#define MT_KEPT_FRAMES 32
#define MT_KEPT_PARTS 7

struct mt_kept_frame {
	__u64 at, code, previous, instruction, state;
	__u64 is_code; /* or what stands for an entry */
	__u64 part[MT_KEPT_PARTS];
};
_Static_assert(sizeof(struct mt_kept_frame) == 48 + 8 * MT_KEPT_PARTS, "mt_kept_frame");

struct mt_kept_python {
	__u32 count; /* of frames, 0: nothing is kept */
	__u32 key_at; /* from the thread's base: the two words that lead to its state */
	__u64 sequence, state;
	__u64 first; /* what the state has: the frame, or what leads to it */
	struct mt_kept_frame frame[MT_KEPT_FRAMES];
};
_Static_assert(sizeof(struct mt_kept_python) == 32 + MT_KEPT_FRAMES * sizeof(struct mt_kept_frame),
	       "mt_kept_python");

struct mt_kept {
	__u64 ip, sp, bp, bx;
	__u64 bias, hash;
	__u32 number; /* of the stack, where all of it is the same; 0: not known */
	__u32 unused;
	__u32 owner; /* serial of the space and 1, 0: nothing is kept */
	__u32 changes, tables; /* of its code, and of what is known of files, by then */
	__u32 interpreter, count, end;
	__u64 frame[MT_FRAMES];
	struct mt_words words;
	struct mt_kept_python python;
};
_Static_assert(sizeof(struct mt_kept) == 80 + 8 * MT_FRAMES + sizeof(struct mt_words) +
						 sizeof(struct mt_kept_python),
	       "mt_kept");

/* Pages that follow each other, and where the kernel has them: see glance.bpf.h. */
struct mt_view {
	__u64 page, pages;
	__u64 at[4];
};
_Static_assert(sizeof(struct mt_view) == 48, "mt_view");

struct mt_walk {
	__u64 ip, sp, bp, bx, r11;
	__u64 first_sp;
	__u64 bp_from, bx_from; /* where they were read: see recall.bpf.h */
	__u32 owner, changes, tables;
	__u32 turn; /* which of what is kept is to make room */
	__u64 hash;
	__u32 slot, count, end, busy;
	__u32 exact; /* ip is where it runs, not where it returns to */
	__u32 file;  /* the mapping that the last frame was in */
	__u64 start, stop, bias;
	__u64 window; /* of the stack: where it begins, ... */
	__u64 window_bytes;
	__u64 holes;	 /* pages of it that could not be read for a piece */
	__u64 tables_at; /* page tables, 0: memory cannot be glanced at */
	struct mt_view view, code_view;
	__u64 frame[MT_FRAMES];
	__u8 bytes[MT_WINDOW];
	__u8 span[MT_SPAN];
	struct mt_words words;
	struct mt_python_walk python;
};
_Static_assert(sizeof(struct mt_walk) == 264 + 8 * MT_FRAMES + MT_WINDOW + MT_SPAN +
						 sizeof(struct mt_words) +
						 sizeof(struct mt_python_walk),
	       "mt_walk");

#endif
