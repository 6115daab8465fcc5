/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login.c - `strata login` and `strata logout`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <termios.h>

#include "base/io.h"
#include "front/cli/transfer_options.h"
#include "front/cli/verbs.h"

#define DEFAULT_REGISTRY  "docker.io"
#define SECRET_MAX	  65536 /* bytes of a password or token */
#define TERMINAL_LINE_MAX 4096 /* what the kernel's line discipline holds */

struct login_options {
	struct registry_options registry;
	const char *username, *password;
	bool password_stdin;
};

static const struct option login_rows[] = {
	{ OPTION_STRING, 'p', "password", offsetof(struct login_options, password), "PASSWORD",
		"Password or token; others can see it in the process list" },
	{ OPTION_FLAG, 0, "password-stdin", offsetof(struct login_options, password_stdin), NULL,
		"Read the password from standard input" },
	{ OPTION_STRING, 'u', "username", offsetof(struct login_options, username), "USER",
		"User name" },
	REGISTRY_OPTIONS(struct login_options, registry),
	{ OPTION_END },
};

/*
 * A line from the terminal, shown while it is typed or not. Echo goes off before the question is
 * asked, and Ctrl-C is read as the end of a line instead of killing us, which would leave it off.
 */
static int ask(const char *question, bool hidden, char **ret, struct error *err)
{
	_cleanup_close_ int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	struct termios old, quiet;
	char line[TERMINAL_LINE_MAX];
	ssize_t n;

	if (fd < 0)
		return error_set(err, ENOTTY,
			"there is no terminal to ask for it on: use --username and --password-stdin");
	hidden = hidden && tcgetattr(fd, &old) == 0;
	if (hidden) {
		quiet = old;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ISIG);
		quiet.c_cc[VEOL] = old.c_cc[VINTR];
		tcsetattr(fd, TCSAFLUSH, &quiet);
	}
	io_write_full(fd, question, strlen(question));
	do {
		n = read(fd, line, sizeof(line) - 1);
	} while (n < 0 && errno == EINTR);
	if (hidden) {
		tcsetattr(fd, TCSAFLUSH, &old);
		io_write_full(fd, "\n", 1);
	}
	if (n <= 0 || (hidden && line[n - 1] == (char)old.c_cc[VINTR]))
		return error_set(err, ECANCELED, "nothing was typed");
	line[n] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	*ret = strdup(line);
	explicit_bzero(line, sizeof(line));
	return *ret ? 0 : error_oom(err);
}

static int read_password(char **ret, struct error *err)
{
	size_t len;
	int r = io_read_fd(STDIN_FILENO, SECRET_MAX, ret, &len);

	if (r < 0)
		return error_errno(err, r, "cannot read the password from standard input");
	while (len && ((*ret)[len - 1] == '\n' || (*ret)[len - 1] == '\r'))
		(*ret)[--len] = '\0';
	return 0;
}

static int get_password(const struct login_options *options, char **ret, struct error *err)
{
	if (options->password_stdin)
		return read_password(ret, err);
	if (!options->password)
		return ask("Password: ", true, ret, err);
	fputs("WARNING: --password on the command line is insecure: use --password-stdin\n",
		stderr);
	*ret = strdup(options->password);
	return *ret ? 0 : error_oom(err);
}

static int login_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct login_options *options = values;
	struct image_transfer_options transfer = { 0 };
	_cleanup_free_ char *user = NULL, *password = NULL;
	int r = registry_options_apply(&options->registry, &transfer, err);

	if (r < 0)
		return r;
	if (options->password && options->password_stdin)
		return error_set(
			err, EINVAL, "--password and --password-stdin are mutually exclusive");
	if (options->password_stdin && !options->username)
		return error_set(err, EINVAL, "must provide --username with --password-stdin");
	if (options->username) {
		user = strdup(options->username);
		r = user ? 0 : error_oom(err);
	} else {
		r = ask("Username: ", false, &user, err);
	}
	if (r == 0)
		r = get_password(options, &password, err);
	if (r == 0 && (!*user || !*password))
		r = error_set(err, EINVAL, "user name and password must not be empty");
	if (r == 0)
		r = image_login(argc ? argv[0] : DEFAULT_REGISTRY, user, password, &transfer, err);
	if (password)
		explicit_bzero(password, strlen(password));
	if (r == 0)
		puts("Login Succeeded");
	return r;
}

static int logout_main(struct cli *cli, void *values, int argc, char **argv, struct error *err)
{
	const struct login_options *options = values;
	const char *registry = argc ? argv[0] : DEFAULT_REGISTRY;
	int r = image_logout(registry, options->registry.authfile, err);

	if (r == 0)
		printf("Removing login credentials for %s\n", registry);
	return r;
}

static const struct option logout_rows[] = {
	REGISTRY_OPTION_AUTHFILE(struct login_options, registry),
	{ OPTION_END },
};

const struct verb verb_login = {
	.name = "login",
	.group = "Images",
	.usage = "[OPTIONS] [REGISTRY]",
	.summary = "Keep the credentials for a registry (default docker.io)",
	.options = login_rows,
	.options_size = sizeof(struct login_options),
	.min_operands = 0,
	.max_operands = 1,
	.run = login_main,
};

const struct verb verb_logout = {
	.name = "logout",
	.group = "Images",
	.usage = "[OPTIONS] [REGISTRY]",
	.summary = "Forget the credentials for a registry (default docker.io)",
	.options = logout_rows,
	.options_size = sizeof(struct login_options),
	.min_operands = 0,
	.max_operands = 1,
	.run = logout_main,
};
