import { AF_INET, NLM_F_APPEND, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REQUEST } from './header.ts';
import type { MessageWriter } from './message-writer.ts';

/**
 * linux/netfilter/nf_tables.h, linux/netfilter/nfnetlink.h: as much of nf_tables as a table needs that is to end with the
 * socket that made it. Everything else goes through `nft`. All numbers here are big-endian, of the family ip.
 */

const NFNL_MSG_BATCH_BEGIN = 16;
const NFNL_MSG_BATCH_END = 17;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_NEWTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 0;
const NFT_MSG_DELTABLE = (NFNL_SUBSYS_NFTABLES << 8) | 2;
const NFT_MSG_NEWCHAIN = (NFNL_SUBSYS_NFTABLES << 8) | 3;
const NFT_MSG_NEWRULE = (NFNL_SUBSYS_NFTABLES << 8) | 6;

const NFTA_TABLE_NAME = 1;
const NFTA_TABLE_FLAGS = 2;
/** Nobody but the socket that made the table changes it, and it goes when that is closed (since Linux 5.12). */
const NFT_TABLE_F_OWNER = 2;

const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_HOOK = 4;
const NFTA_CHAIN_TYPE = 7;
const NFTA_HOOK_HOOKNUM = 1;
const NFTA_HOOK_PRIORITY = 2;

const NFTA_RULE_TABLE = 1;
const NFTA_RULE_CHAIN = 2;
const NFTA_RULE_EXPRESSIONS = 4;
const NFTA_LIST_ELEM = 1;
const NFTA_EXPR_NAME = 1;
const NFTA_EXPR_DATA = 2;
const NFTA_DATA_VALUE = 1;

/** linux/netfilter.h */
export const NF_INET_LOCAL_OUT = 3;

const NFT_PAYLOAD_NETWORK_HEADER = 1;
const NFT_PAYLOAD_TRANSPORT_HEADER = 2;
const NFT_META_L4PROTO = 16;
const NFT_CMP_EQ = 0;
const NFT_NAT_DNAT = 1;
const NFT_REG_1 = 1;
const NFT_REG_2 = 2;

/** Expressions, as `nft --debug=netlink` shows them. */
export type Expression =
  /** Bytes of the packet into register 1. */
  | {
      readonly kind: 'payload';
      readonly base: 'network' | 'transport';
      readonly offset: number;
      readonly length: number;
    }
  /** The transport protocol's number into register 1. */
  | { readonly kind: 'l4proto' }
  /** Goes on only if register 1 holds this. */
  | { readonly kind: 'equals'; readonly value: Uint8Array }
  | { readonly kind: 'dnat'; readonly ip: Uint8Array; readonly port: number };

/** Messages between these two are carried out all, or none. */
export function writeBatchBegin(w: MessageWriter): void {
  writeBatchEdge(w, NFNL_MSG_BATCH_BEGIN);
}

export function writeBatchEnd(w: MessageWriter): void {
  writeBatchEdge(w, NFNL_MSG_BATCH_END);
}

/** A new table that belongs to the socket. */
export function writeNewOwnedTable(w: MessageWriter, table: string): void {
  writeBegin(w, NFT_MSG_NEWTABLE, NLM_F_CREATE | NLM_F_EXCL);
  w.attributeString(NFTA_TABLE_NAME, table);
  w.attributeU32BE(NFTA_TABLE_FLAGS, NFT_TABLE_F_OWNER);
  finish(w);
}

export function writeDelTable(w: MessageWriter, table: string): void {
  writeBegin(w, NFT_MSG_DELTABLE, 0);
  w.attributeString(NFTA_TABLE_NAME, table);
  finish(w);
}

/** @param priority chains of all tables at one hook run in this order, the lowest first */
export function writeNewNatChain(w: MessageWriter, table: string, chain: string, hook: number, priority: number): void {
  writeBegin(w, NFT_MSG_NEWCHAIN, NLM_F_CREATE | NLM_F_EXCL);
  w.attributeString(NFTA_CHAIN_TABLE, table);
  w.attributeString(NFTA_CHAIN_NAME, chain);
  nested(w, NFTA_CHAIN_HOOK, () => {
    w.attributeU32BE(NFTA_HOOK_HOOKNUM, hook);
    w.attributeU32BE(NFTA_HOOK_PRIORITY, priority);
  });
  w.attributeString(NFTA_CHAIN_TYPE, 'nat');
  finish(w);
}

export function writeNewRule(w: MessageWriter, table: string, chain: string, expressions: readonly Expression[]): void {
  writeBegin(w, NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND);
  w.attributeString(NFTA_RULE_TABLE, table);
  w.attributeString(NFTA_RULE_CHAIN, chain);
  nested(w, NFTA_RULE_EXPRESSIONS, () => {
    for (const expression of expressions) writeExpression(w, expression);
  });
  finish(w);
}

function writeExpression(w: MessageWriter, expression: Expression): void {
  switch (expression.kind) {
    case 'payload':
      // NFTA_PAYLOAD_DREG, _BASE, _OFFSET, _LEN
      element(w, 'payload', () => {
        const { base, offset, length } = expression;
        const header = base === 'network' ? NFT_PAYLOAD_NETWORK_HEADER : NFT_PAYLOAD_TRANSPORT_HEADER;
        writeNumbers(w, [NFT_REG_1, header, offset, length]);
      });
      break;
    case 'l4proto':
      // NFTA_META_DREG, _KEY
      element(w, 'meta', () => writeNumbers(w, [NFT_REG_1, NFT_META_L4PROTO]));
      break;
    case 'equals':
      // NFTA_CMP_SREG, _OP, _DATA
      element(w, 'cmp', () => {
        writeNumbers(w, [NFT_REG_1, NFT_CMP_EQ]);
        writeData(w, 3, expression.value);
      });
      break;
    case 'dnat':
      writeImmediate(w, NFT_REG_1, expression.ip);
      writeImmediate(w, NFT_REG_2, Uint8Array.of(expression.port >>> 8, expression.port & 0xff));
      // NFTA_NAT_TYPE 1, _FAMILY 2, _REG_ADDR_MIN 3, _REG_PROTO_MIN 5
      element(w, 'nat', () => {
        writeNumbers(w, [NFT_NAT_DNAT, AF_INET, NFT_REG_1]);
        w.attributeU32BE(5, NFT_REG_2);
      });
      break;
  }
}

/** NFTA_IMMEDIATE_DREG, _DATA */
function writeImmediate(w: MessageWriter, register: number, value: Uint8Array): void {
  element(w, 'immediate', () => {
    writeNumbers(w, [register]);
    writeData(w, 2, value);
  });
}

/** Attributes 1, 2, 3…, each a number: how all expressions here begin. */
function writeNumbers(w: MessageWriter, values: readonly number[]): void {
  for (const [index, value] of values.entries()) w.attributeU32BE(index + 1, value);
}

function writeData(w: MessageWriter, type: number, value: Uint8Array): void {
  nested(w, type, () => w.attributeBytes(NFTA_DATA_VALUE, value));
}

function element(w: MessageWriter, name: string, write: () => void): void {
  nested(w, NFTA_LIST_ELEM, () => {
    w.attributeString(NFTA_EXPR_NAME, name);
    nested(w, NFTA_EXPR_DATA, write);
  });
}

function nested(w: MessageWriter, type: number, write: () => void): void {
  const start = w.nestBegin(type, true);
  write();
  w.nestEnd(start);
}

function writeBatchEdge(w: MessageWriter, type: number): void {
  w.begin(type, NLM_F_REQUEST);
  w.u16(0);
  // nfgenmsg.res_id is big-endian.
  w.u16(NFNL_SUBSYS_NFTABLES << 8);
  w.end();
}

/** nfgenmsg: family u8, version u8, res_id be16. */
function writeBegin(w: MessageWriter, type: number, flags: number): void {
  w.begin(type, NLM_F_REQUEST | flags);
  w.u32(AF_INET);
}

function finish(w: MessageWriter): void {
  w.end();
  w.acknowledgeLast();
}
