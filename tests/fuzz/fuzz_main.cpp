// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstdlib>
#include <iostream>

#include "tests/fuzz/targets.hpp"

/// The entry of libFuzzer. MOECAL_FUZZ_TARGET names the target; scripts/fuzz.sh runs them all.
namespace {

const moecal::fuzz::Target& target() {
  static const auto kTarget = [] {
    const char* name = std::getenv("MOECAL_FUZZ_TARGET");
    try {
      return moecal::fuzz::find_target(name == nullptr ? "" : name);
    } catch (const std::exception& error) {
      std::cerr << "set MOECAL_FUZZ_TARGET: " << error.what() << std::endl;
      // libFuzzer takes std::exit for a crash and writes its input into the current folder.
      std::_Exit(2);
    }
  }();
  return kTarget;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes{reinterpret_cast<const char*>(data), size};
  if (const auto problem = moecal::fuzz::drive(target(), bytes); !problem.empty()) {
    std::cerr << target().name << ": " << problem << "\n";
    std::abort();
  }
  return 0;
}
