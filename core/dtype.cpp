// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "core/dtype.hpp"

#include <array>

#include "core/error.hpp"

namespace moecal {
namespace {

struct DtypeFacts {
  Dtype dtype;
  std::string_view name;
  std::int64_t bytes;
};

constexpr std::array<DtypeFacts, 8> kDtypes{{{Dtype::f32, "f32", 4},
                                             {Dtype::f16, "f16", 2},
                                             {Dtype::bf16, "bf16", 2},
                                             {Dtype::fp8_e4m3, "fp8_e4m3", 1},
                                             {Dtype::fp8_e5m2, "fp8_e5m2", 1},
                                             {Dtype::int8, "int8", 1},
                                             {Dtype::int32, "int32", 4},
                                             {Dtype::uint8, "uint8", 1}}};

const DtypeFacts& facts(Dtype dtype) { return kDtypes.at(static_cast<std::size_t>(dtype)); }

}  // namespace

std::string_view to_string(Dtype dtype) { return facts(dtype).name; }

std::int64_t size_of(Dtype dtype) { return facts(dtype).bytes; }

Dtype parse_dtype(std::string_view name) {
  std::string known;
  for (const auto& entry : kDtypes) {
    if (entry.name == name) return entry.dtype;
    known += " " + std::string{entry.name};
  }
  throw InvalidInput{"unknown dtype '" + std::string{name} + "'; known:" + known};
}

}  // namespace moecal
