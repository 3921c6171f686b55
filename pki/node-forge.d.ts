/** The DER part of node-forge by itself, which its published types know only as a member of the whole. */
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge';
  export default asn1;
}
