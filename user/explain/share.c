// SPDX-License-Identifier: GPL-2.0
/* What of RSS is not the process's own: its parent's, other programs', files', its children's? */
#include "user/explain/rule.h"

#include <string.h>

#define MEMBERS_MOST 64	       /* of those that ended, each is looked at with all others */
#define FAMILY_MOST 256	       /* processes: each is looked for in all of them */
#define FILES_LEAST (16 * MIB) /* more than programs and their libraries take */
#define FORKS_MOST 8	       /* of a daemon it is two; more would take long */
#define FILES_SHARE 4	       /* of what it holds, at the least */

static int64_t smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t positive(int64_t bytes)
{
	return bytes > 0 ? bytes : 0;
}

static int64_t row_bytes(const struct process_model *process, const char *operation,
			 enum balance balance)
{
	int64_t bytes = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		if (!strcmp(process->rows[i].operation, operation))
			bytes = plus(bytes, process->rows[i].moved.bytes[balance]);
	}
	return bytes;
}

/* Where nobody shared a page any more, it was not copied. */
static uint64_t copied_count(const struct process_model *process)
{
	uint64_t count = 0;

	for (size_t i = 0; i < process->row_count; i++) {
		if (!strcmp(process->rows[i].operation, "fault.cow"))
			count += process->rows[i].count;
	}
	return count - (process->kept_count < count ? process->kept_count : count);
}

/* A copy moves no counter; where one did, the page was of a file or new. */
static int64_t copied_bytes(const struct model *model, const struct process_model *process)
{
	int64_t moved = row_bytes(process, "fault.cow", BALANCE_ANON);

	return minus((int64_t)(copied_count(process) * model->capture->host->page_bytes),
		     moved > 0 ? moved : 0);
}

static bool is_copy_of(const struct process_model *child, uint32_t parent)
{
	return child->parent_pid == parent && !child->folded &&
	       row_bytes(child, "fork", BALANCE_ANON) > 0;
}

/* What a parent with one child writes to is the child's alone from then on. */
static int64_t copied_by_parent(const struct model *model, const struct process_model *process)
{
	const struct process_model *parent = NULL;
	size_t children = 0;

	if (model->process_count > FAMILY_MOST)
		return 0;
	for (size_t i = 0; i < model->process_count; i++) {
		children += is_copy_of(&model->processes[i], process->parent_pid);
		if (model->processes[i].pid == process->parent_pid)
			parent = &model->processes[i];
	}
	return parent && children == 1 ? positive(copied_bytes(model, parent)) : 0;
}

static bool has_other_program(const struct process_model *process)
{
	for (size_t i = 0; i < process->row_count; i++) {
		if (!strcmp(process->rows[i].operation, "exec"))
			return true;
	}
	return false;
}

static const struct process_model *find_pid(const struct model *model, uint32_t pid)
{
	for (size_t i = 0; i < model->process_count; i++) {
		if (model->processes[i].pid == pid && !model->processes[i].folded)
			return &model->processes[i];
	}
	return NULL;
}

/* The one that its memory comes from, by forks without another program between them; NULL: not
 * known, as that has ended long ago. */
static const struct process_model *ancestor_of(const struct model *model,
					       const struct process_model *process)
{
	for (int steps = 0; process && steps < FORKS_MOST; steps++) {
		if (has_other_program(process) || row_bytes(process, "fork", BALANCE_ANON) <= 0)
			return process;
		process = find_pid(model, process->parent_pid);
	}
	return NULL;
}

/* Of one that lives: nobody else does whose memory comes from the same process, so what it was
 * born with is its own.  A daemon's parent ends at once, but who started that may go on. */
static bool is_alone(const struct model *model, const struct process_model *process)
{
	const struct process_model *parent = find_pid(model, process->parent_pid);
	const struct process_model *ancestor;

	if (process->ended || !parent || !parent->ended)
		return false;
	ancestor = ancestor_of(model, process);
	for (size_t i = 0; ancestor && i < model->process_count; i++) {
		const struct process_model *other = &model->processes[i];

		if (other != process && !other->ended && !other->folded &&
		    ancestor_of(model, other) == ancestor)
			return false;
	}
	return ancestor;
}

/* Anonymous memory that it was born with and did not copy: RSS counts it in the parent, too. */
static int64_t inherited_bytes(const struct model *model, const struct process_model *process)
{
	int64_t bytes = row_bytes(process, "fork", BALANCE_ANON);

	if (bytes <= 0 || has_other_program(process) ||
	    (model->process_count <= FAMILY_MOST && is_alone(model, process)))
		return 0;
	bytes = minus(bytes, copied_bytes(model, process));
	bytes = minus(bytes, copied_by_parent(model, process));
	return positive(smaller(bytes, balances_end(process)->bytes[BALANCE_ANON]));
}

/* ---- the rules ---- */

/* A child that became another program has shared its parent's memory too briefly to matter. */
static bool is_parent(const struct facts *facts)
{
	const struct model *model = facts->model;

	for (size_t i = 0; i < model->process_count; i++) {
		const struct process_model *child = &model->processes[i];

		if (is_copy_of(child, facts->process->pid) && !has_other_program(child))
			return true;
	}
	return false;
}

/* With stacks it is seen whether a page was shared (kept_count), with whomever: also with a child
 * from before memtrace, or one that is not followed. */
static bool is_sharer(const struct facts *facts, int64_t born)
{
	if (facts->process->has_sites)
		return true;
	if (born <= 0)
		return is_parent(facts);
	return facts->model->process_count > FAMILY_MOST ||
	       !is_alone(facts->model, facts->process);
}

static bool is_python(const struct process_model *process)
{
	const char *slash = strrchr(process->executable, '/');

	return !strncmp(slash ? slash + 1 : process->executable, "python", 6);
}

bool find_cow_after_fork(struct facts *facts, struct finding *finding)
{
	int64_t born = row_bytes(facts->process, "fork", BALANCE_ANON);

	finding->bytes = copied_bytes(facts->model, facts->process);
	if (finding->bytes < facts->floor_bytes || !is_sharer(facts, born))
		return false;
	finding->inferred = !facts->process->has_sites;
	finding_number(finding, "copied_bytes", finding->bytes);
	finding_number(finding, "copied_count", (int64_t)copied_count(facts->process));
	if (born > 0) {
		finding_number(finding, "born_with_bytes", born);
		rule_add_holder(facts, finding); /* nobody knows who copied in a parent */
	} else if (is_parent(facts)) {
		finding_text(finding, "parent", "children");
	} else {
		finding_text(finding, "earlier", "memory");
	}
	if (is_python(facts->process))
		finding_text(finding, "python", "Python");
	facts->claimed_bytes = plus(facts->claimed_bytes, finding->bytes);
	return true;
}

bool find_shared(struct facts *facts, struct finding *finding)
{
	int64_t inherited = inherited_bytes(facts->model, facts->process);
	int64_t shmem = facts->end->bytes[BALANCE_SHMEM];

	if (inherited >= facts->floor_bytes) {
		finding_number(finding, "inherited_bytes", inherited);
		facts->claimed_bytes = plus(facts->claimed_bytes, inherited);
		finding->bytes = inherited;
		finding->inferred = true;
	}
	if (shmem >= facts->floor_bytes) {
		finding_number(finding, "shared_memory_bytes", shmem);
		finding->bytes = plus(finding->bytes, shmem);
	}
	rule_add_end(facts, finding);
	return true;
}

/* A program and its libraries are there for every process; 0: not known. */
static int64_t data_file_bytes(const struct process_model *process)
{
	const size_t length = strlen(process->executable);
	int64_t bytes = 0;

	for (size_t i = 0; i < process->mapping_count; i++) {
		const Mt__Mapping *mapping = process->mappings[i];
		const void *name = mapping->name.data;

		if (strcmp(mapping->kind, "file") != 0 ||
		    (mapping->name.len == length && !memcmp(name, process->executable, length)) ||
		    memmem(name, mapping->name.len, ".so", 3))
			continue;
		bytes = plus(bytes, (int64_t)mapping->resident_bytes);
	}
	return bytes;
}

bool find_file_cache(struct facts *facts, struct finding *finding)
{
	int64_t all = facts->end->bytes[BALANCE_FILE];
	int64_t data = smaller(data_file_bytes(facts->process), all);

	finding->bytes = all;
	if (data > all / 2) {
		finding->bytes = data;
		finding_number(finding, "data_file_bytes", data);
	}
	finding_number(finding, "file_bytes", all);
	finding_number(finding, "anon_bytes", facts->end->bytes[BALANCE_ANON]);
	rule_add_end(facts, finding);
	return finding->bytes >= FILES_LEAST && finding->bytes > facts->end_bytes / FILES_SHARE;
}

/* ---- a tree ---- */

/* Pids are used again, and a capture may say anything: no further than a chain can be long. */
static bool descends(const struct model *model, const struct process_model *process, uint32_t pid)
{
	for (int steps = 0; process && steps < 64; steps++) {
		if (process->parent_pid == pid)
			return true;
		process = find_pid(model, process->parent_pid);
	}
	return false;
}

struct family {
	size_t count, living;
	int64_t own_bytes; /* of all of them, of those that live; what they share once */
	const struct process_model *largest;
	int64_t peak_bytes; /* of the largest, of its own */
	struct member members[MEMBERS_MOST];
	size_t member_count;
};

static int64_t own_bytes(const struct model *model, const struct process_model *process)
{
	const struct balances *end = balances_end(process);
	int64_t bytes = minus(balances_resident(end), end->bytes[BALANCE_FILE]);

	return process->shares_with_pid ? 0 : minus(bytes, inherited_bytes(model, process));
}

/* What a parent has of shared memory, too, is not its child's alone. */
static int64_t shared_with(const struct facts *facts, const struct process_model *child)
{
	return smaller(balances_end(child)->bytes[BALANCE_SHMEM],
		       facts->end->bytes[BALANCE_SHMEM]);
}

/* Before it became another program it may have had no more than its parent's memory. */
static int64_t own_peak(const struct facts *facts, const struct process_model *child)
{
	int64_t bytes = minus((int64_t)child->peak_bytes, inherited_bytes(facts->model, child));
	int64_t born = row_bytes(child, "fork", BALANCE_ANON);

	if (has_other_program(child) && born > bytes / 2)
		bytes = balances_resident(balances_end(child));
	return positive(minus(bytes, shared_with(facts, child)));
}

static void add_to_family(const struct facts *facts, struct family *family,
			  const struct process_model *child)
{
	family->count++;
	family->living += !child->ended;
	if (!child->ended)
		family->own_bytes = plus(family->own_bytes,
					 minus(own_bytes(facts->model, child),
					       shared_with(facts, child)));
	if (family->member_count < MEMBERS_MOST)
		family->members[family->member_count++] = (struct member){
			.process = child,
			.foreign_bytes = plus(minus((int64_t)child->peak_bytes,
						    own_peak(facts, child)),
					      balances_end(child)->bytes[BALANCE_FILE]),
		};
	if (!family->largest || own_peak(facts, child) > family->peak_bytes) {
		family->largest = child;
		family->peak_bytes = own_peak(facts, child);
	}
}

static void read_family(const struct facts *facts, struct family *family)
{
	const struct process_model *self = facts->process;

	for (size_t i = 0; i < facts->model->process_count; i++) {
		const struct process_model *child = &facts->model->processes[i];

		if (child != self && !child->folded && child->pid != self->pid &&
		    descends(facts->model, child, self->pid))
			add_to_family(facts, family, child);
	}
}

/* Those that live hold it now; of those that ended, the largest, as they need not overlap. */
bool find_child_processes(struct facts *facts, struct finding *finding)
{
	struct family family = { 0 };
	int64_t together;

	if (facts->model->process_count > FAMILY_MOST)
		return false;
	read_family(facts, &family);
	if (!family.count)
		return false;
	finding->bytes = family.own_bytes;
	if (!family.living) {
		finding->bytes = family.peak_bytes;
		finding_number(finding, "largest_peak_bytes", finding->bytes);
		together = rule_held_together(family.members, family.member_count);
		if (together > finding->bytes) {
			finding->bytes = together;
			finding_number(finding, "together_bytes", together);
		}
	} else {
		finding_number(finding, "children_bytes", finding->bytes);
	}
	finding_number(finding, "child_count", (int64_t)family.count);
	finding_number(finding, "largest_pid", family.largest->pid);
	finding_text(finding, "largest", family.largest->command);
	rule_add_end(facts, finding);
	return finding->bytes > minus(facts->end_bytes, facts->end->bytes[BALANCE_FILE]) &&
	       finding->bytes > (int64_t)facts->process->peak_bytes / 2;
}

/* One that lives is larger than any that does not. */
void findings_where(struct whereabouts *where, const struct model *model)
{
	*where = (struct whereabouts){ 0 };
	for (size_t i = 0; i < model->process_count; i++) {
		const struct process_model *process = &model->processes[i];
		bool lives = !process->ended && !process->folded;
		int64_t bytes = lives ? own_bytes(model, process) : (int64_t)process->peak_bytes;

		if (lives && !where->living)
			where->largest = NULL;
		if (lives == (where->living || lives) &&
		    (!where->largest || bytes > where->largest_bytes)) {
			where->largest = process;
			where->largest_bytes = bytes;
		}
		where->living += lives;
		if (lives)
			where->own_bytes = plus(where->own_bytes, bytes);
	}
}
