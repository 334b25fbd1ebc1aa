# Two commands do all the set-up on a fresh Debian or Ubuntu: `make run` and `make test`.
BUILD ?= build
export WARDSCRIBE_DATA ?= $(abspath ../shared/data)

.DEFAULT_GOAL := help
.PHONY: help deps build dashboard run test test-all asan tsan coverage fuzz bench model clean

help: ## Show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

deps: ## Install what is missing (Debian packages; asks for sudo when needed)
	@tools/install-deps.sh

build: deps ## Build build/wardscribe
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet

dashboard: deps ## Build the dashboard into frontend/dist
	@tools/build-dashboard.sh

run: build dashboard ## Build everything and start a simulated ward
	@exec $(BUILD)/wardscribe serve $(ARGS)

test: build dashboard ## Fast tests: units, fuzz corpora, end to end
	@tools/test.sh fast

test-all: build dashboard ## Everything, also the slow ones and the sanitizers
	@tools/test.sh all

asan: deps ## Unit tests under AddressSanitizer and UBSan
	@tools/variant.sh asan -Db_sanitize=address,undefined -Db_lundef=false

tsan: deps ## Unit tests under ThreadSanitizer
	@tools/variant.sh tsan -Db_sanitize=thread -Db_lundef=false

model: build ## Make models/wardscribe-small again, from simulated patients alone (about half an hour on two cores)
	@PROGRAM=$(BUILD)/wardscribe tools/make-model.sh

bench: build ## Every benchmark, about ten minutes; or some: make bench ONLY="alarm http"
	@tools/bench.sh $(ONLY)

fuzz: deps ## Fuzz every parser for FUZZ_MINUTES (10) of CPU time each; prints counts
	@tools/fuzz.sh $(TARGETS)

coverage: deps ## Line coverage of backend/clinical
	@tools/coverage.sh

clean: ## Remove everything that was built
	@rm -rf build build-* frontend/dist frontend/node_modules
