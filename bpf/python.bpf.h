/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which functions of Python is a task within?  CPython's own frames, read from the memory of the
 * thread as user/symbol/python.c says that they lie there.  Included by unwind.bpf.h.
 */
#ifndef MEMTRACE_PYTHON_BPF_H
#define MEMTRACE_PYTHON_BPF_H

#define PYTHON_ON_C_STACK 3 /* owner of a frame that stands for an entry, or above: from 3.12 on */
#define PYTHON_TAGS 7	    /* low bits of a reference to code, from 3.14 on */
#define PYTHON_SKIPPED 64   /* frames of that kind in a walk */
#define CODE_BYTES 160	    /* up to the last field that is looked at */
#define TEXT_BYTES 504

#define ASCII 0x40 /* of the state of a text; characters of 1, 2 or 4 bytes */
#define CHARACTER_BYTES(state) (((state) >> 2) & 7)

/* In glibc for x86-64: from a thread's base to the data of its first keys. */
#define SPECIFIC_DATA 0x310
#define SPECIFIC_BYTES 16
#define SPECIFIC_VALUE 8
#define SPECIFIC_KEYS 32

/* Behind what each object begins with: length and state of struct PyASCIIObject. */
struct python_text {
	__u64 count, hash;
	__u32 state;
};

static __always_inline __u64 word_at(const __u8 *bytes, __u32 offset)
{
	return *(__u64 *)&bytes[offset & 0x78];
}

static __always_inline bool read_pointer(__u64 address, __u64 *out)
{
	return !bpf_probe_read_user(out, sizeof(*out), (void *)address);
}

/* ---- what a code object is called ---- */

static __always_inline void read_text(struct mt_python_text *text, const struct mt_python *layout,
				      __u64 field)
{
	struct python_text head;
	__u64 at = 0, bytes;

	text->count = text->state = 0;
	if (!read_pointer(field, &at) ||
	    bpf_probe_read_user(&head, sizeof(head), (void *)(at + layout->object)))
		return;
	head.state >>= layout->state_shift;
	bytes = head.count * CHARACTER_BYTES(head.state);
	if (bytes > TEXT_BYTES)
		bytes = TEXT_BYTES;
	at += layout->text;
	if (!(head.state & ASCII)) /* its length and address in UTF-8 come first */
		at += layout->minor >= 12 ? 16 : 24;
	if (bpf_probe_read_user(text->bytes, bytes, (void *)at))
		return;
	text->count = head.count < TEXT_BYTES ? head.count : TEXT_BYTES;
	text->state = head.state;
}

struct pieces {
	__u64 at;
	__u32 bytes, number;
};

static long send_piece(__u32 index, struct pieces *pieces)
{
	__u32 offset = index * MT_PYTHON_LINES, count = pieces->bytes - offset;
	struct mt_event_lines *event;

	if (offset && offset >= pieces->bytes) /* an empty one is sent, too: it is known then */
		return 1;
	event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	if (!event) {
		lost(MT_LOSS_EVENTS);
		return 1;
	}
	if (count > MT_PYTHON_LINES)
		count = MT_PYTHON_LINES;
	event->event.kind = MT_EVENT_LINES;
	event->event.value = pieces->number;
	event->offset = offset;
	event->count = count;
	if (bpf_probe_read_user(event->bytes, count, (void *)(pieces->at + offset))) {
		bpf_ringbuf_discard(event, 0);
		return 1;
	}
	bpf_ringbuf_submit(event, 0);
	return 0;
}

/* In a table of lines, which is an object of bytes: its size and a hash come first. */
#define TABLE_START 16

static __always_inline void send_lines(const struct mt_python *layout, __u64 code, __u32 number)
{
	struct pieces pieces = { .number = number };
	__u64 size;

	if (!read_pointer(code + layout->lines, &pieces.at) ||
	    !read_pointer(pieces.at + layout->object, &size))
		return;
	pieces.at += layout->object + TABLE_START;
	pieces.bytes = size < MT_PYTHON_LINES * MT_PYTHON_PIECES ?
			       size : MT_PYTHON_LINES * MT_PYTHON_PIECES;
	bpf_loop(MT_PYTHON_PIECES, send_piece, &pieces, 0);
}

/* Not 0; the beginning of a line table and how long it is.  With 64 bytes of stack: up to 6.12 all
 * of a chain has to fit into 512. */
static __noinline __u32 table_identity(const struct mt_python *layout, __u64 code)
{
	__u64 at = 0, size = 0, beginning[6] = {}, hash, bytes;

	if (!read_pointer(code + layout->lines, &at) || !read_pointer(at + layout->object, &size))
		return 1;
	hash = bytes = size;
	barrier_var(bytes); /* else one register is compared and another one is used */
	if (bytes > sizeof(beginning))
		bytes = sizeof(beginning);
	barrier_var(bytes);
	bpf_probe_read_user(beginning, bytes, (void *)(at + layout->object + TABLE_START));
	for (int i = 0; i < 6; i++)
		hash = (hash ^ beginning[i]) * 0x9e3779b97f4a7c15ULL;
	return hash >> 32 | 1;
}

/* Of code that was made while it ran ("<string>") the next is likely to lie at the same place,
 * with the same name: its line table tells it apart.  0: of a file. */
static __always_inline __u32 text_identity(const struct mt_python_text *file,
					   const struct mt_python *layout, __u64 code)
{
	return file->count && file->bytes[0] == '<' ? table_identity(layout, code) : 0;
}

static __always_inline __u32 send_code(const struct mt_python *layout,
				       const struct mt_python_key *key)
{
	struct mt_event_python *event = bpf_ringbuf_reserve(&events, sizeof(*event), 0);
	__u32 number = __sync_fetch_and_add(&next_python, 1);
	__u64 value;

	if (!event || number >= MT_PYTHON_CODES) {
		lost(MT_LOSS_STACKS);
		if (event)
			bpf_ringbuf_discard(event, 0);
		return 0;
	}
	event->event.kind = MT_EVENT_PYTHON;
	event->event.value = number;
	event->first_line = 0;
	event->minor = layout->minor;
	bpf_probe_read_user(&event->first_line, 4, (void *)(key->code + layout->first_line));
	read_text(&event->file, layout, key->code + layout->file_name);
	read_text(&event->name, layout, key->code + layout->name);
	value = number | (__u64)text_identity(&event->file, layout, key->code) << 32;
	bpf_ringbuf_submit(event, 0);
	send_lines(layout, key->code, number);
	/* With interrupts off memory may be short for a moment: then it is told of once more. */
	bpf_map_update_elem(&codes, key, &value, BPF_ANY);
	return number;
}

/* A number for a code object, 0: no room. */
static __noinline __u32 number_code(struct mt_walk *walk, struct mt_python_key *key)
{
	const struct mt_python *layout = &walk->python.layout;
	__u64 *known = bpf_map_lookup_elem(&codes, key), value = known ? *known : 0;

	if (!value || value >> 32)
		walk->python.passing = 1;
	if (value && (!(value >> 32) || value >> 32 == table_identity(layout, key->code)))
		return value;
	return send_code(layout, key);
}

/* ---- frames ---- */

static __always_inline long stop_python(struct mt_walk *walk, __u32 why)
{
	if (walk->end == MT_STACK_WHOLE)
		walk->end = why;
	walk->python.passing = 1;
	return 1;
}

/*
 * Where the instructions are that a frame runs.  Without the lock of the interpreter threads may
 * have copies of them, from 3.14 on: the code object has an array of them (its length first).
 */
static __always_inline __u64 instructions_at(const struct mt_python_walk *python, __u64 code)
{
	const struct mt_python *layout = &python->layout;
	__u32 index = word_at(python->frame, layout->copy_index);
	__u64 at;

	if (!layout->copies || !index)
		return code + layout->instructions;
	return read_pointer(code + layout->copies, &at) &&
			       read_pointer(at + 8 + 8ull * index, &at) ?
		       at : 0;
}

/* The instruction, in units of 2 bytes from 1 on. */
static __always_inline __u32 instruction_of(const struct mt_python_walk *python, __u64 code)
{
	const struct mt_python *layout = &python->layout;
	__u64 word = word_at(python->frame, layout->instruction);
	__s64 units;

	if (layout->minor >= 11)
		units = (__s64)(word - instructions_at(python, code)) >> 1;
	else if (layout->minor == 10)
		units = (__s32)word;
	else
		units = (__s32)word >> 1;
	return units < 0 || units >= MT_PYTHON_ENTRY - 1 ? 0 : units + 1;
}

/* The evaluation loop was entered for the frame that was pushed last. */
static __always_inline void mark_entry(struct mt_walk *walk)
{
	__u64 *last = &walk->frame[(walk->count - 1) & (MT_FRAMES - 1)];

	if (*last >> 48 != MT_PYTHON || *last & MT_PYTHON_ENTRY)
		return;
	*last |= MT_PYTHON_ENTRY;
	walk->hash++;
}

static __always_inline bool is_code(struct mt_walk *walk, __u64 code)
{
	struct mt_python_walk *python = &walk->python;

	return !read_user(walk->tables_at, python->code, CODE_BYTES, code) &&
	       word_at(python->code, python->layout.object - 8) ==
		       python->layout.code_type + python->bias;
}

/*
 * What does not change while a code object lives: where its parts are.  The last is half a word:
 * the line that it begins in.
 */
static __always_inline __u32 part_offset(const struct mt_python *layout, __u32 part)
{
	const __u32 object = layout->object;
	const __u32 offsets[MT_KEPT_PARTS] = { object, object + 8, object + 16,
					       layout->file_name, layout->name,
					       layout->lines, layout->first_line & ~7 };

	return offsets[part];
}

static __always_inline __u64 part_of(const struct mt_python *layout, __u32 part, __u64 word)
{
	if (part < MT_KEPT_PARTS - 1)
		return word;
	return (__u32)(word >> (layout->first_line & 4) * 8);
}

static __always_inline __u64 read_part(const struct mt_python_walk *python, __u32 part)
{
	__u64 word = *(__u64 *)&python->code[part_offset(&python->layout, part) & 0xf8];

	return part_of(&python->layout, part, word);
}

/* What tells it from others; it is kept with its frame, if that is. */
static __always_inline __u64 code_identity(const struct mt_python_walk *python,
					   struct mt_kept_frame *frame)
{
	__u64 hash = 0;

	if (frame)
		frame->is_code = 1;
#pragma unroll
	for (__u32 part = 0; part < MT_KEPT_PARTS; part++) {
		__u64 value = read_part(python, part);

		hash = hash * 31 + value;
		if (frame)
			frame->part[part] = value;
	}
	return hash;
}

/* ---- frames that are as they were ---- */

#define FRAME_SPAN 128 /* bytes, as mt_python_walk.frame */

/* On arm64 it is in a register that programs cannot read. */
static __always_inline __u64 thread_base(void)
{
#if defined(__TARGET_ARCH_x86)
	return bpf_get_current_task_btf()->thread.fsbase;
#else
	return 0;
#endif
}

/* The one that is walked now; 0: no room, so that nothing of it is kept. */
static __always_inline struct mt_kept_frame *keep_frame(const struct mt_walk *walk,
							struct mt_kept *into)
{
	const struct mt_python_walk *python = &walk->python;
	const struct mt_python *layout = &python->layout;
	__u32 at = into->python.count++;
	struct mt_kept_frame *frame;

	if (at >= MT_KEPT_FRAMES)
		return 0;
	frame = &into->python.frame[at & (MT_KEPT_FRAMES - 1)];
	frame->at = python->at;
	frame->code = word_at(python->frame, layout->code);
	frame->previous = word_at(python->frame, layout->previous);
	frame->instruction = word_at(python->frame, layout->instruction);
	frame->state = word_at(python->frame, layout->entry & ~7);
	frame->is_code = 0;
	return frame;
}

static __always_inline bool is_code_still(struct mt_walk *walk, const struct mt_python *layout,
					  const struct mt_kept_frame *frame)
{
	__u64 code = frame->code & ~(__u64)PYTHON_TAGS, difference, word;
	struct mt_view *view = &walk->code_view;

	if (!open_view(view, walk->tables_at, code, CODE_BYTES))
		return false;
	difference = seen(view, code + layout->object - 8) ^
		     (layout->code_type + walk->python.bias);
#pragma unroll
	for (__u32 part = 0; part < MT_KEPT_PARTS; part++) {
		word = seen(view, code + part_offset(layout, part));
		difference |= part_of(layout, part, word) ^ frame->part[part];
	}
	return !difference;
}

static long compare_frame(__u32 number, struct step *step)
{
	const struct mt_kept_frame *frame =
		&step->kept->python.frame[number & (MT_KEPT_FRAMES - 1)];
	const struct mt_python *layout = &step->walk->python.layout;
	struct mt_walk *walk = step->walk;
	struct mt_view *view = &walk->view;
	__u64 difference;

	if (number >= step->kept->python.count)
		return 1;
	step->differs = 1;
	if (frame->at & 7 || !open_view(view, walk->tables_at, frame->at, FRAME_SPAN))
		return 1;
	difference = seen(view, frame->at + layout->code) ^ frame->code;
	difference |= seen(view, frame->at + layout->previous) ^ frame->previous;
	difference |= seen(view, frame->at + layout->instruction) ^ frame->instruction;
	if (layout->minor == 11)
		difference |= seen(view, frame->at + (layout->entry & ~7)) ^ frame->state;
	if (difference || (frame->is_code && !is_code_still(walk, layout, frame)))
		return 1;
	step->differs = 0;
	return 0;
}

/* Up to the first frame: each tells where the next one is. */
static __always_inline bool is_state_still(struct mt_walk *walk,
					   const struct mt_kept_python *kept,
					   const struct mt_python *layout)
{
	__u64 at = thread_base() + kept->key_at;
	struct mt_view *view = &walk->view;

	if (!open_view(view, walk->tables_at, at, SPECIFIC_BYTES) ||
	    seen(view, at) != kept->sequence ||
	    seen(view, at + SPECIFIC_VALUE) != kept->state ||
	    !open_view(view, walk->tables_at, kept->state, layout->frame + 8) ||
	    seen(view, kept->state + layout->frame) != kept->first)
		return false;
	if (layout->current == MT_PYTHON_NO_OFFSET)
		return kept->first == kept->frame[0].at;
	return open_view(view, walk->tables_at, kept->first, layout->current + 8) &&
	       seen(view, kept->first + layout->current) == kept->frame[0].at;
}

/* Behind native frames that are. */
static __always_inline bool is_python_still(struct mt_walk *walk, struct mt_kept *found)
{
	const struct mt_python *layout = bpf_map_lookup_elem(&pythons, &found->interpreter);
	struct step step = { .walk = walk, .kept = found };

	if (!HAS_CASTS || !layout || !found->python.count)
		return false;
	walk->python.layout = *layout;
	walk->python.bias = found->bias;
	close_view(&walk->code_view);
	if (!is_state_still(walk, &found->python, layout))
		return false;
	bpf_loop(MT_KEPT_FRAMES, compare_frame, &step, 0);
	return !step.differs;
}

/* ---- frames as they are ---- */

static long take_python_frame(__u32 index, struct step *step)
{
	struct mt_walk *walk = step->walk;
	struct mt_python_walk *python = &walk->python;
	const struct mt_python *layout = &python->layout;
	struct mt_python_key key = { .serial = python->serial };
	struct mt_kept_frame *kept;
	__u64 number;

	if (!python->at)
		return 1;
	if (walk->count >= MT_FRAMES)
		return stop_python(walk, MT_STACK_LONG);
	if (read_user(walk->tables_at, python->frame, layout->frame_bytes & 127, python->at))
		return stop_python(walk, MT_STACK_PYTHON);
	kept = keep_frame(walk, step->kept);
	python->at = word_at(python->frame, layout->previous);
	if (layout->minor >= 12 &&
	    python->frame[layout->owner & 127] >= PYTHON_ON_C_STACK) {
		mark_entry(walk);
		return 0;
	}
	key.code = word_at(python->frame, layout->code) & ~(__u64)PYTHON_TAGS;
	if (!is_code(walk, key.code))
		return stop_python(walk, MT_STACK_PYTHON);
	key.identity = code_identity(python, kept);
	number = number_code(walk, &key);
	push(walk, (__u64)MT_PYTHON << 48 | number << MT_PYTHON_CODE_SHIFT |
			   instruction_of(python, key.code));
	if (layout->minor <= 10 ||
	    (layout->minor == 11 && python->frame[layout->entry & 127]))
		mark_entry(walk);
	return 0;
}

/* The state of this thread: what pthread_getspecific() would give it. */
static __always_inline bool find_state(const struct mt_walk *walk, struct mt_kept_python *kept)
{
	const struct mt_python_walk *python = &walk->python;
	__u32 key[2];
	__u64 data[2];

	if (read_user(walk->tables_at, key, sizeof(key),
		      python->layout.thread_key + python->bias) ||
	    key[0] != 1 || key[1] >= SPECIFIC_KEYS)
		return false;
	kept->key_at = SPECIFIC_DATA + key[1] * SPECIFIC_BYTES;
	if (read_user(walk->tables_at, data, sizeof(data), thread_base() + kept->key_at))
		return false;
	kept->sequence = data[0];
	kept->state = data[1];
	return kept->state;
}

static __always_inline bool find_frame(struct mt_walk *walk, struct mt_kept_python *kept)
{
	struct mt_python_walk *python = &walk->python;
	const struct mt_python *layout = &python->layout;

	if (!find_state(walk, kept) ||
	    read_user(walk->tables_at, &kept->first, 8, kept->state + layout->frame))
		return false;
	python->at = kept->first;
	return layout->current == MT_PYTHON_NO_OFFSET ||
	       !read_user(walk->tables_at, &python->at, 8, kept->first + layout->current);
}

/* Behind the native frames, one of which is an interpreter's. */
static __always_inline void walk_python(struct mt_walk *walk, struct mt_kept *kept)
{
	struct mt_python_walk *python = &walk->python;
	const struct mt_python *layout = bpf_map_lookup_elem(&pythons, &python->interpreter);
	struct step step = { .walk = walk, .kept = kept };

	kept->python.count = 0;
	if (!layout)
		return;
	python->layout = *layout;
	python->serial = walk->owner - 1;
	python->passing = 0;
	if (find_frame(walk, &kept->python))
		bpf_loop(MT_FRAMES + PYTHON_SKIPPED, take_python_frame, &step, 0);
	if (python->passing || python->at || kept->python.count > MT_KEPT_FRAMES)
		kept->python.count = 0;
}

#endif
