// SPDX-FileCopyrightText: The moecal authors
// SPDX-License-Identifier: Apache-2.0
#include "collectives/all_reduce/all_reduce.hpp"
#include "collectives/nccl_dtype.hpp"
#include "runtime/check_nccl.hpp"

namespace moecal::collectives {

void all_reduce_nccl(const CollectiveShape& shape, const CollectiveTensors& tensors,
                     NcclCommunicator group, Stream stream) {
  check(ncclAllReduce(tensors.send, tensors.receive, static_cast<std::size_t>(shape.elements()),
                      static_cast<ncclDataType_t>(nccl_dtype(shape.dtype)), ncclSum, group, stream),
        "ncclAllReduce of " + std::to_string(shape.bytes) + " bytes");
}

}  // namespace moecal::collectives
