// SPDX-License-Identifier: GPL-2.0
/* How does a shell complete what a user types? */
#include "user/cli/options.h"

void options_completion(FILE *out)
{
	fputs("# bash completion for memtrace; made from its table of options\n"
	      "_memtrace()\n{\n"
	      "\tlocal word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} i\n"
	      "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
	      "\t\t[[ ${COMP_WORDS[i]} = -- ]] || continue\n"
	      "\t\tif declare -F _command_offset > /dev/null; then\n"
	      "\t\t\t_command_offset $((i + 1))\n"
	      "\t\telif ((i + 1 == COMP_CWORD)); then\n"
	      "\t\t\tCOMPREPLY=($(compgen -c -- \"$word\"))\n"
	      "\t\tfi\n"
	      "\t\treturn\n"
	      "\tdone\n"
	      "\tcase $before in\n"
	      "\t-p|--pid) COMPREPLY=($(compgen -W \"$(ps -eo pid=)\" -- \"$word\")); return;;\n"
	      "\t-f|--format) COMPREPLY=($(compgen -W 'text json openmetrics folded pprof' -- "
	      "\"$word\")); return;;\n"
	      "\t--value) COMPREPLY=($(compgen -W 'resident reserved touched released' -- "
	      "\"$word\")); return;;\n"
	      "\t--stacks) COMPREPLY=($(compgen -W 'auto none native python' -- \"$word\")); "
	      "return;;\n"
	      "\t--calls|--allocators) COMPREPLY=($(compgen -W 'on off' -- \"$word\")); return;;\n"
	      "\t-o|--output|-w|--write|report|diff|--cgroup)\n"
	      "\t\tcompopt -o filenames 2> /dev/null\n"
	      "\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\"); return;;\n"
	      "\tesac\n"
	      "\tCOMPREPLY=($(compgen -W 'report diff check top", out);
	options_names(out);
	fputs("' -- \"$word\"))\n}\n"
	      "complete -o bashdefault -o default -F _memtrace memtrace\n", out);
}
