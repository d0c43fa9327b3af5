# SPDX-License-Identifier: MIT
# A thin front for Meson, which is the build system. `make help` lists the
# targets; CONTRIBUTING.md says what each one is for.

BUILD ?= build
PORT ?= 8000
PREFIX ?=
DESTDIR ?=
NAME ?=
SANITIZERS ?= address,undefined thread
MESON_FLAGS ?= --buildtype=debugoptimized
TEST_FLAGS ?= --no-suite slow
SOAK_SECONDS ?= 43200
SOAK_SEED ?=

sanitizer_flags = -Db_lundef=false -Dbuildtype=debugoptimized \
	-Drun=disabled -Dbench=false
# No library but libc is there for the other CPU.
cross_flags = -Dbuildtype=debugoptimized -Drun=disabled -Dbench=false \
	-Dlibev=disabled -Dtls=disabled -Ddns=disabled -During=disabled
# What reads the tree or preloads the engine says nothing under a sanitizer.
sanitizer_tests = $(TEST_FLAGS) --no-suite tree --no-suite run
# Older TSan cannot map its shadow with the address entropy of newer kernels.
fixed_addresses = $(shell setarch -R true 2>/dev/null && echo setarch -R)
comma = ,
sanitizer_build = build-$(subst $(comma),-,$(1))

.DEFAULT_GOAL := build
MAKEFLAGS += --no-print-directory
.PHONY: help build run check check-tidy check-sanitize check-aarch64 \
	check-valgrind check-libcs check-fresh soak bench install clean

help:
	@echo 'make                 build into $(BUILD)/'
	@echo 'make run             build, then serve doc/ with green threads'
	@echo '                     (PORT=8000)'
	@echo 'make check           build, then run all quick tests'
	@echo 'make check-sanitize  the library tests under the sanitizers'
	@echo '                     (SANITIZERS="address,undefined thread")'
	@echo 'make check-aarch64   library tests, cross-built, under QEMU'
	@echo 'make check-valgrind  library tests under Valgrind'
	@echo 'make check-libcs     tendril run on musl and on glibc of Debian 13'
	@echo 'make check-tidy      clang-tidy over src/ and examples/'
	@echo 'make check-fresh     both README commands in bare Debian 12 and 13'
	@echo 'make soak            mixed load for 12 hours, looking for leaks'
	@echo '                     (SOAK_SECONDS=, SOAK_SEED=)'
	@echo 'make bench           all benches, or one (NAME=echo_64)'
	@echo 'make install         install (PREFIX=, DESTDIR=)'
	@echo 'make clean           remove the build directories'

build: $(BUILD)/build.ninja
	ninja -C $(BUILD)
	@if [ -x $(BUILD)/src/cli/tendril ]; then \
		ln -sf src/cli/tendril $(BUILD)/tendril; fi

$(BUILD)/build.ninja:
	tools/setup --check --for=build
	meson setup $(MESON_FLAGS) $(BUILD)

run:
	@tools/setup --for=build
	@$(MAKE) build
	@tools/serve-demo $(BUILD) $(PORT)

# A tree that was built before the tests' packages were there is configured
# again.
check:
	@tools/setup --for=build,check
	@$(MAKE) $(BUILD)/build.ninja
	@grep -q '^enabled$$' $(BUILD)/.tests 2>/dev/null || \
		{ meson configure $(BUILD) -Dtests=enabled && \
		  echo enabled >$(BUILD)/.tests; }
	@$(MAKE) build
	@tools/run-tests $(BUILD) -- $(TEST_FLAGS)

check-sanitize:
	@tools/setup --for=build,check
	@for s in $(SANITIZERS); do \
		dir=build-$$(echo $$s | tr , -); \
		[ -e $$dir/build.ninja ] || \
			meson setup $(sanitizer_flags) -Db_sanitize=$$s $$dir || exit; \
		ninja -C $$dir || exit; \
	done
	@$(fixed_addresses) tools/run-tests \
		$(foreach s,$(SANITIZERS),$(call sanitizer_build,$(s))) \
		-- $(sanitizer_tests)

check-aarch64:
	@tools/setup --for=build,cross
	@[ -e build-aarch64/build.ninja ] || meson setup $(cross_flags) \
		--cross-file tests/cross/aarch64.ini build-aarch64
	@ninja -C build-aarch64
	@tools/run-tests build-aarch64 -- --suite cross

check-valgrind:
	@tools/setup --for=build,check,valgrind
	@$(MAKE) build
	@tools/run-tests $(BUILD) -- --suite valgrind --timeout-multiplier 20 \
		--wrapper 'valgrind -q --error-exitcode=99'

check-libcs:
	@tools/setup --for=build,check,fresh
	@$(MAKE) build
	@tools/run-tests $(BUILD) -- --suite libcs

check-tidy:
	@tools/setup --for=build,tidy
	@$(MAKE) $(BUILD)/build.ninja
	@tools/check-tidy $(BUILD)

check-fresh:
	@tools/setup --for=fresh
	@tools/check-fresh

soak:
	@tools/setup --for=build,check
	@$(MAKE) build
	@tests/run/soak $(BUILD)/tendril $(BUILD)/tests/run $(SOAK_SECONDS) \
		$(SOAK_SEED)

bench:
	@tools/setup --for=build,bench
	@$(MAKE) build
	@bench/run $(NAME)

install: build
	$(if $(PREFIX),meson configure -Dprefix=$(PREFIX) $(BUILD))
	DESTDIR='$(DESTDIR)' meson install -C $(BUILD)

clean:
	rm -rf $(BUILD) build-*
