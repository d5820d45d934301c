// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "calibration/operation_call.hpp"

#include "core/error.hpp"

namespace moecal::calibration {

ElementBytes element_bytes(const Dtypes& dtypes) {
  const auto size = [](const std::string& dtype) {
    return static_cast<double>(size_of(parse_dtype(dtype)));
  };
  const double a = size(dtypes.a);
  return {a, dtypes.b.empty() ? a : size(dtypes.b), dtypes.c.empty() ? a : size(dtypes.c)};
}

double OperationCall::number(const std::string& name) const {
  const auto found = point.find(name);
  if (found == point.end())
    throw InvalidInput{"a point of '" + operation + "' needs the number '" + name +
                       "' and does not have it"};
  if (found->second < 0)
    throw InvalidInput{"a point of '" + operation + "' has a negative '" + name + "'"};
  return static_cast<double>(found->second);
}

double OperationCall::number_or(const std::string& name, double fallback) const {
  return point.contains(name) ? number(name) : fallback;
}

std::int64_t OperationCall::whole(const std::string& name) const {
  return static_cast<std::int64_t>(number(name));
}

}  // namespace moecal::calibration
